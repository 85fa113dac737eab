"""A definition among the others of its tenant: what it may read, and what else reads it."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from libs.conditions.check import Finding, check
from libs.conditions.references import evaluation_order, references
from libs.conditions.said import nearest
from libs.conditions.vocabulary import Properties, ValueType
from libs.runtime.errors import FailedPrecondition, InvalidArgument, NotFound
from services.tagging.domain.definition import Definition
from services.tagging.domain.names import (
    EVERYONE,
    STAGE,
    TIER,
    document_name,
    key_of,
    kind_of,
    label_of,
    name_of,
    reference_of,
)
from services.tagging.domain.segment import SegmentDefinition
from services.tagging.domain.tag import TagDefinition

_TYPES: Mapping[str, ValueType] = {"flag": "boolean", "enum": "string", "number": "number", "text": "string"}


@dataclass(frozen=True, slots=True)
class KnownNames:
    """What a tenant has names for; see `Vocabulary`."""

    events: Mapping[str, Properties]
    traits: Properties
    tags: Properties
    scores: Collection[str] = field(default=())
    stages: Collection[str] = field(default=())
    tiers: Collection[str] = field(default=())
    segments: Collection[str] = field(default=())


def known_names(
    definitions: Mapping[str, Definition], events: Mapping[str, Properties], traits: Properties
) -> KnownNames:
    """What conditions may name: what some definitions define, and the events and traits given."""
    keys: dict[str, list[str]] = {"segment": [key_of(EVERYONE)], "score": []}
    for name in definitions:
        keys.setdefault(kind_of(name), []).append(key_of(name))
    return KnownNames(
        events,
        traits,
        tags={key: _TYPES[one.value_type] for key, one in definitions.items() if isinstance(one, TagDefinition)},
        scores=keys["score"],
        stages=definitions[STAGE].options if STAGE in definitions else (),
        tiers=definitions[TIER].options if TIER in definitions else (),
        segments=keys["segment"],
    )


def checked(definition: Definition, others: Mapping[str, Definition], names: KnownNames) -> list[Finding]:
    """What is doubtful in a definition; `others` are those that it is published among, its own former version aside.

    Raises `InvalidArgument` for what can't be meant so, for a name that is taken, and where definitions would read one
    another in a circle.
    """
    _check_name(definition)
    findings = [
        replace(one, path=".".join(filter(None, (path, one.path))))
        for path, condition in definition.placed()
        for one in check(condition, names)
    ]
    for one in findings:
        if one.severity == "error":
            raise InvalidArgument(one.path, one.message, "WRONG_TYPE")
    among = {**others, definition.name: definition}
    try:
        in_order(among)
    except InvalidArgument as error:
        path = next((path for path, _ in definition.placed()), "")
        raise InvalidArgument(path, error.message, error.reason) from None
    return findings


def in_order(definitions: Mapping[str, Definition]) -> list[str]:
    """The names of definitions, each after all that it reads; raises `InvalidArgument` where they read in a circle."""
    order = evaluation_order({reference_of(name): one.everything() for name, one in definitions.items()})
    return [name_of(reference) for reference in order]


def readers(name: str, definitions: Mapping[str, Definition]) -> list[str]:
    """The definitions of other documents that read what one document defines, by its name."""
    gone = {reference_of(one) for one in definitions if document_name(one) == name}
    return sorted(
        other
        for other, one in definitions.items()
        if document_name(other) != name and not gone.isdisjoint(references(one.everything()))
    )


def unknown(name: str, definitions: Collection[str], what: str = "") -> NotFound:
    """That no definition has a name, with the one of its kind that is most like it; `what` is wanted of it."""
    like = nearest(key_of(name), [key_of(one) for one in definitions if kind_of(one) == kind_of(name)])
    return NotFound(f"{what}{kind_of(name)}", key_of(name), like or "")


def unknown_segment(key: str, definitions: Collection[str]) -> NotFound:
    """The same of a segment that is to be live; a tag's key leads to the condition that means its people."""
    if key in definitions:
        return NotFound("live segment", key, f"{{tag: {key}}}")
    return unknown(f"segment:{key}", definitions, "live ")


def check_retirable(name: str, definitions: Mapping[str, Definition]) -> None:
    """Raises `FailedPrecondition` if others would read what is no more."""
    reading = readers(name, definitions)
    if reading:
        are = "are" if name == TIER else "is"
        message = f"{label_of(name)} {are} read by {', '.join(reading)}: retire or change these first"
        raise FailedPrecondition(f"{kind_of(name).upper()}_IS_READ", message)


def differences(former: Sequence[Definition], now: Sequence[Definition]) -> Iterator[str]:
    """What changes from one version of a document to the next, one line each."""
    if not former:
        yield f"{label_of(now[0].name)} is new"
        return
    before, after = {one.name: one for one in former}, {one.name: one for one in now}
    for name in before | after:
        if name in before and name in after:
            yield from after[name].differences(before[name])
        else:
            yield f"{label_of(name)} is {'new' if name in after else 'no more'}"


def _check_name(definition: Definition) -> None:
    match definition:
        case TagDefinition(key=("stage" | "tier") as key):
            taken = label_of(key)
            raise InvalidArgument("tag", f"{key!r} is the name of {taken}: choose another key", "RESERVED")
        case SegmentDefinition(name="segment:everyone"):
            raise InvalidArgument("segment", "'everyone' is built in: choose another key", "RESERVED")
