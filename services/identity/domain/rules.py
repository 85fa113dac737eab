"""The versions of a tenant's identifier rules, and what publishing another one changes."""

from collections.abc import Iterator
from typing import Final

import msgspec

from libs.people.identifiers import DAY, DEFAULT_RULES, IdentifierRules, IdentifierType, PerPerson
from libs.runtime.clock import SECOND, Micros
from libs.runtime.errors import InvalidArgument

HOUR: Final[Micros] = 3600 * SECOND
HIGHEST_CHOSEN: Final = 2_147_000_000
"""A document may name a version as high as a date with a number, 2026112201, and not the last that there can be."""

_WRITTEN: Final = {
    field: {"parts": "of"}.get(field, field)
    for field in IdentifierType.__dataclass_fields__
    if field not in {"name", "rank"}
}
"""How documents call the fields of a type."""


class RulesPublished(msgspec.Struct, frozen=True):
    """From now on the tenant goes by these rules, also for what was collected before."""

    rules: IdentifierRules


class RulesHistory(msgspec.Struct, frozen=True):
    """Every version that was published, the newest last; before the first one, the shipped rules stand."""

    versions: tuple[IdentifierRules, ...] = (DEFAULT_RULES,)

    @property
    def current(self) -> IdentifierRules:
        return self.versions[-1]


def evolve(history: RulesHistory, event: RulesPublished) -> RulesHistory:
    """The history with one more version, in whichever order versions come."""
    known = {rules.version: rules for rules in (*history.versions, event.rules)}
    return RulesHistory(tuple(known[version] for version in sorted(known)))


def decide(history: RulesHistory, rules: IdentifierRules) -> list[RulesPublished]:
    """What publishing leads to; nothing where the version stands already. Raises `InvalidArgument`.

    A type never changes its kind or form, for its values would get other keys, and everybody known by them be a
    stranger.
    """
    current = history.current
    if rules.version == current.version and rules == current:
        return []
    if rules.version <= current.version:
        raise InvalidArgument("version", f"must be greater than {current.version}, which stands")
    if rules.version > max(HIGHEST_CHOSEN, current.version + 1):
        raise InvalidArgument("version", f"must be at most {HIGHEST_CHOSEN}, so that others can follow")
    for name, type_ in rules.types.items():
        for version in history.versions:
            known = version.types.get(name)
            for field in ("kind", "form"):
                if known is not None and getattr(known, field) != getattr(type_, field):
                    told = f"was {getattr(known, field)!r} in version {version.version} and can't change"
                    raise InvalidArgument(f"types.{name}.{field}", f"{told}: name a new type")
    return [RulesPublished(rules)]


def differences(before: IdentifierRules, after: IdentifierRules) -> Iterator[str]:
    """What changes from one version to another, a line each."""
    if before.shared != after.shared:
        yield f"shared: {before.shared} → {after.shared}"
    for name in sorted(before.types.keys() | after.types.keys()):
        if name not in after.types:
            yield f"{name}: no longer joins anybody"
        elif name not in before.types:
            yield f"{name}: is new, {after.types[name].strength}"
        else:
            yield from _type_differences(before.types[name], after.types[name])


def _type_differences(before: IdentifierType, after: IdentifierType) -> Iterator[str]:
    for field, name in _WRITTEN.items():
        old, new = _told(field, getattr(before, field)), _told(field, getattr(after, field))
        if old != new:
            yield f"{before.name}.{name}: {old} → {new}"


def _told(field: str, value: object) -> str:
    """A value as the document writes it."""
    match value:
        case PerPerson(at_most, within):
            told = str(at_most) if within is None else f"{at_most} within {_lasting(within)}"
        case int() if field == "validity":
            told = _lasting(value)
        case frozenset():
            told = ", ".join(sorted(value))
        case tuple():
            told = ", ".join(value)
        case None:
            told = ""
        case _:
            told = str(value)
    return told or "none"


def _lasting(time: Micros) -> str:
    return f"{time // HOUR}h" if time % DAY else f"{time // DAY}d"
