"""Identifier rules as people write them: one YAML document, the whole set of types."""

from collections.abc import Iterator
from typing import Final

from libs.people.identifiers import DAY, IdentifierRules, IdentifierType, PerPerson
from libs.runtime.clock import SECOND, Micros
from libs.runtime.strict_yaml import read_yaml, write_yaml

_HOUR: Final = 3600 * SECOND


def read_rules(text: str, version: int) -> IdentifierRules:
    """The rules that a document says, of the version given if it names none.

    Raises `InvalidArgument` with the path inside the document, or with none where it is not YAML at all.
    """
    document = read_yaml(text)
    if isinstance(document, dict):
        document = {"version": version, **document}
    return IdentifierRules.from_document(document)


def written(rules: IdentifierRules) -> str:
    """The document that says these rules."""
    types = {type_.name: dict(_fields(type_)) for type_ in rules.types.values()}
    # Version 0 is what Portrait ships; a document names the version that it will be.
    version = {"version": rules.version} if rules.version else {}
    return write_yaml({**version, "shared": rules.shared, "types": types}, flow=None)


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
