"""Identifiers that nobody sends: composed of others and of traits, such as last name and birthday."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from libs.people.identifiers import Claimed, Identified, IdentifierRules, IdentifierType
from libs.people.normalise import NO_REGION, digits, normal_form
from libs.people.screen import Unusable

_TRAITS: Final = "traits."
_BETWEEN: Final = "|"


def composed(
    rules: IdentifierRules, identified: Iterable[Identified], traits: Mapping[str, object]
) -> Iterator[Claimed]:
    """The composite identifiers of one interaction, to be read like any that is sent.

    There is one only where each part has exactly one usable value: half a name or one of two phones composes nothing.
    Case, width and outer space of a part mean nothing. It is verified where all parts are identifiers that are.
    """
    sent: dict[str, dict[str, bool]] = {}
    for one in identified:
        known = sent.setdefault(one.type.name, {})
        known[one.value] = one.verified or known.get(one.value, False)
    for type_ in rules.types.values():
        parts = [_part(part, sent, traits) for part in type_.parts]
        values = [value for value, _ in parts if value is not None]
        if parts and len(values) == len(parts):
            escaped = (value.replace("\\", r"\\").replace(_BETWEEN, rf"\{_BETWEEN}") for value in values)
            yield Claimed(type_.name, _BETWEEN.join(escaped), all(verified for _, verified in parts))


def _part(part: str, sent: Mapping[str, Mapping[str, bool]], traits: Mapping[str, object]) -> tuple[str | None, bool]:
    if part.startswith(_TRAITS):
        return _trait(part.removeprefix(_TRAITS), traits), False
    values = sent.get(part, {})
    if len(values) != 1:
        return None, False
    ((value, verified),) = values.items()
    return value, verified


def _trait(name: str, traits: Mapping[str, object]) -> str | None:
    value = traits.get(name)
    text = value if isinstance(value, str) else digits(value)
    try:
        return normal_form(IdentifierType(name, "person", "strong", 0, "caseless"), text, NO_REGION)
    except Unusable:
        return None
