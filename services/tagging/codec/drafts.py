"""Definitions as messages, and as the documents that say the same."""

import json
from typing import Any, Final

from google.protobuf import json_format
from portrait.conditions.v1 import condition_pb2
from portrait.tagging.v1 import tag_pb2 as pb

from libs.conditions.reading import read_document
from libs.conditions.wire import from_wire, length_from_wire, length_to_wire, to_wire
from libs.conditions.writing import write_document
from libs.runtime.errors import InvalidArgument, TooLarge
from libs.runtime.strict_yaml import MOST_BYTES, MOST_NODES, nodes_of, read_yaml, write_yaml
from services.tagging.codec.definitions import VALUE_TYPES
from services.tagging.codec.values import value_of, value_on_wire

_VALUE_TYPES_BACK: Final = {number: name for name, number in VALUE_TYPES.items()}


def document_of(draft: pb.TagDraft, path: str) -> str:
    """The YAML document that says what a draft says, to be read like one that somebody wrote.

    Raises `InvalidArgument` with the path of the field in a condition, which `path` is put before, and `TooLarge`.
    """
    if draft.ByteSize() > MOST_BYTES:
        raise TooLarge("bytes of the draft", draft.ByteSize(), MOST_BYTES)

    def condition(wire: condition_pb2.Condition, place: str) -> dict[str, Any]:
        return write_document(from_wire(wire, f"{path}.{place}"))

    said = {
        "tag": draft.tag,
        "title": dict(sorted(draft.title.items())),
        "category": draft.category,
        "owner": draft.owner,
        "description": draft.description,
        "value": _VALUE_TYPES_BACK.get(draft.value),
        "source": draft.source,
        "options": list(draft.options),
        "when": condition(draft.when, "when") if draft.HasField("when") else None,
        "ladder": [
            {"value": one.value, "when": condition(one.when, f"ladder[{index}].when")}
            for index, one in enumerate(draft.ladder)
        ],
        "trait": draft.trait,
        "confidence": draft.confidence if draft.HasField("confidence") else None,
        "time_to_live": length_from_wire(draft.time_to_live) if draft.HasField("time_to_live") else None,
        "cleaning": condition(draft.cleaning, "cleaning") if draft.HasField("cleaning") else None,
        "completion": [
            {
                "value": value_of(one.value),
                "when": condition(one.when, f"completion[{index}].when"),
                "confidence": one.confidence,
            }
            for index, one in enumerate(draft.completion)
        ],
        "score": _whole(_plain(draft.score, f"{path}.score")) if draft.HasField("score") else None,
        "tests": [_plain(one, f"{path}.tests[{index}]") for index, one in enumerate(draft.tests)],
    }
    document = {name: value for name, value in said.items() if value not in (None, "", [], {})}
    nodes = nodes_of(document)
    if nodes > MOST_NODES:
        raise TooLarge("names and values of the draft", nodes, MOST_NODES)
    return write_yaml(document)


def draft_of(document: str) -> pb.TagDraft:
    """The draft that says what a document says that can be read."""
    said = read_yaml(document)
    draft = pb.TagDraft(
        tag=said["tag"],
        title=said["title"],
        category=said["category"],
        owner=said["owner"],
        description=said["description"],
        value=VALUE_TYPES[said["value"]],
        source=said["source"],
        options=said.get("options", ()),
        when=_condition(said.get("when")),
        ladder=[pb.TagRung(value=one["value"], when=_condition(one["when"])) for one in said.get("ladder", ())],
        trait=said.get("trait", ""),
        confidence=said.get("confidence"),
        time_to_live=length_to_wire(said["time_to_live"]) if "time_to_live" in said else None,
        cleaning=_condition(said.get("cleaning")),
        completion=[
            pb.TagCompletion(
                value=value_on_wire(one["value"]), when=_condition(one["when"]), confidence=one["confidence"]
            )
            for one in said.get("completion", ())
        ],
    )
    if "score" in said:
        draft.score.update(json.loads(json.dumps(said["score"])))
    for one in said.get("tests", ()):
        # Through JSON, because names and values that only YAML has would be refused.
        draft.tests.add().update(json.loads(json.dumps(one, default=str)))
    return draft


def _condition(said: Any) -> condition_pb2.Condition | None:
    return None if said is None else to_wire(read_document(said))


def _whole(said: Any) -> Any:
    """The same with whole numbers as such, which a message of free form has not."""
    match said:
        case dict():
            return {name: _whole(one) for name, one in said.items()}
        case list():
            return [_whole(one) for one in said]
        case float() if said.is_integer():
            return int(said)
        case _:
            return said


def _plain(wire: Any, path: str) -> dict[str, Any]:
    try:
        said: dict[str, Any] = json_format.MessageToDict(wire)
    except ValueError:
        raise InvalidArgument(path, "holds a number that is none") from None
    return said
