"""A definition among the others of its tenant: what it may read, and what else reads it."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

from libs.conditions.check import Finding, check
from libs.conditions.references import evaluation_order, references
from libs.conditions.tree import Condition
from libs.conditions.vocabulary import Properties, ValueType
from libs.runtime.errors import FailedPrecondition, InvalidArgument
from services.tagging.domain.definition import TagDefinition

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


def tag_types(definitions: Mapping[str, TagDefinition]) -> Properties:
    """The types of tags, as conditions see them."""
    return {key: _TYPES[one.value_type] for key, one in definitions.items()}


def checked(definition: TagDefinition, others: Mapping[str, TagDefinition], names: KnownNames) -> list[Finding]:
    """What is doubtful in a definition; `others` are those that it is published among, its own former version aside.

    Raises `InvalidArgument` for what can't be meant so, and where definitions would read one another in a circle.
    """
    findings = [
        Finding(f"{path}.{one.path}" if one.path else path, one.message, one.severity)
        for path, condition in _placed(definition)
        for one in check(condition, names)
    ]
    for one in findings:
        if one.severity == "error":
            raise InvalidArgument(one.path, one.message, "WRONG_TYPE")
    among = {**others, definition.key: definition}
    try:
        evaluation_order({f"tag:{key}": one.everything() for key, one in among.items()})
    except InvalidArgument as error:
        raise InvalidArgument("when", error.message, error.reason) from None
    return findings


def readers(key: str, definitions: Mapping[str, TagDefinition]) -> list[str]:
    """The other tags that read one."""
    return sorted(
        other for other, one in definitions.items() if other != key and f"tag:{key}" in references(one.everything())
    )


def check_retirable(key: str, definitions: Mapping[str, TagDefinition]) -> None:
    """Raises `FailedPrecondition` if other tags would read what is no more."""
    reading = readers(key, definitions)
    if reading:
        raise FailedPrecondition(
            "TAG_IS_READ", f"tag {key!r} is read by {', '.join(reading)}: retire or change these first"
        )


def differences(former: TagDefinition | None, definition: TagDefinition) -> Iterator[str]:
    """What changes from one version to the next, one line each."""
    if former is None:
        yield f"tag {definition.key} is new"
        return
    for name in definition.__struct_fields__:
        if name != "version" and getattr(former, name) != getattr(definition, name):
            yield _LINES.get(name, f"another {name.replace('_', ' ')}")


_LINES: Mapping[str, str] = {
    "rungs": "other conditions",
    "titles": "other titles",
    "options": "other options",
    "examples": "other tests",
    "completions": "another completion",
}


def _placed(definition: TagDefinition) -> Iterator[tuple[str, Condition]]:
    """Every condition with its place in the document."""
    for index, rung in enumerate(definition.rungs):
        ladder = definition.value_type == "enum" and rung.value is not None
        yield f"ladder[{index}].when" if ladder else "when", rung.condition
    if definition.cleaning is not None:
        yield "cleaning", definition.cleaning
    for index, completion in enumerate(definition.completions):
        yield f"completion[{index}].when", completion.condition
