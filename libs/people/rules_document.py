"""Identifier rules as people write them: one YAML document, the whole set of types."""

from collections.abc import Iterator
from typing import Any, Final

import yaml

from libs.people.identifiers import DAY, IdentifierRules, IdentifierType, PerPerson
from libs.runtime.clock import SECOND, Micros
from libs.runtime.errors import InvalidArgument

MOST_BYTES: Final = 262_144
_HOUR: Final = 3600 * SECOND


def read_rules(text: str, version: int) -> IdentifierRules:
    """The rules that a document says, of the version given if it names none.

    Raises `InvalidArgument` with the path inside the document, or with none where it is not YAML at all.
    """
    if len(text.encode()) > MOST_BYTES:
        raise InvalidArgument("", f"is longer than {MOST_BYTES:,} bytes", "TOO_LONG")
    try:
        document = yaml.load(text, _Strict)  # noqa: S506 - a kind of SafeLoader
    except yaml.YAMLError as error:
        raise InvalidArgument("", f"is not YAML: {_told(error)}") from None
    if isinstance(document, dict):
        document = {"version": version, **document}
    return IdentifierRules.from_document(document)


def written(rules: IdentifierRules) -> str:
    """The document that says these rules."""
    types = {type_.name: dict(_fields(type_)) for type_ in rules.types.values()}
    # Version 0 is what Portrait ships; a document names the version that it will be.
    version = {"version": rules.version} if rules.version else {}
    return yaml.safe_dump(
        {**version, "shared": rules.shared, "types": types},
        allow_unicode=True,
        sort_keys=False,
        width=110,
        default_flow_style=None,
    )


class _Strict(yaml.SafeLoader):
    """YAML in which a name stands once: of two types with one name, the former would be lost without a word."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        names: set[str] = set()
        for key, _ in node.value:
            if key.value in names and isinstance(key.value, str):
                problem = f"{key.value!r} stands twice"
                raise yaml.MarkedYAMLError(problem=problem, problem_mark=key.start_mark)
            if isinstance(key.value, str):
                names.add(key.value)
        return super().construct_mapping(node, deep=deep)


def _told(error: yaml.YAMLError) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        return f"line {error.problem_mark.line + 1}: {error.problem}"
    return " ".join(str(error).split())


def _fields(type_: IdentifierType) -> Iterator[tuple[str, object]]:
    """What a document says of a type: the two that it must, and of the rest what is not so anyway."""
    if type_.kind != "person":
        yield "kind", type_.kind
    yield "strength", type_.strength
    yield "form", type_.form
    yield "priority", type_.priority
    if type_.per_person is not None:
        yield "per_person", _per_person(type_.per_person)
    if type_.people is not None:
        yield "people", type_.people
    if type_.validity is not None:
        yield "validity", _duration(type_.validity)
    if type_.parent:
        yield "parent", type_.parent
    for name, values in (
        ("of", type_.parts),
        ("matches", type_.matches),
        ("blocked", sorted(type_.blocked)),
        ("blocked_patterns", type_.blocked_patterns),
    ):
        if values:
            yield name, list(values)


def _per_person(limit: PerPerson) -> int | dict[str, object]:
    if limit.within is None:
        return limit.at_most
    return {"at_most": limit.at_most, "within": _duration(limit.within)}


def _duration(micros: Micros) -> str:
    return f"{micros // DAY}d" if micros % DAY == 0 else f"{micros // _HOUR}h"
