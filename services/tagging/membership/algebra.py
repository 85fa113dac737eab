"""Conditions about what is held of people already, answered for all of a partition at once."""

from dataclasses import dataclass
from functools import reduce
from operator import and_

from pyroaring import BitMap

from libs.conditions.calendar import Calendar
from libs.conditions.comparisons import Timeless
from libs.conditions.matching import asks
from libs.conditions.tree import All, AnyOf, Condition, Not, Segment, Stage, Tag, Tier
from services.tagging.membership.index import Index, united


@dataclass(frozen=True, slots=True)
class Part:
    """The people of one partition, and all of them that "not" is about; `calendar` is the tenant's."""

    index: Index
    everyone: BitMap
    calendar: Calendar


def members(condition: Condition, part: Part) -> BitMap | None:  # noqa: PLR0911  a case for each kind
    """Who meets a condition; None where it asks for more than is held. Not to be changed."""
    match condition:
        case All(parts):
            return _all(parts, part)
        case AnyOf(parts):
            found = _each(parts, part)
            return None if found is None else united(found)
        case Not(inner):
            out = members(inner, part)
            return None if out is None else part.everyone - out
        case Tag(key, None):
            return part.index.holders(f"tag:{key}")
        case Tag(key, test, negated) if test is not None:
            return _with_value(f"tag:{key}", test, negated=negated, part=part)
        case Segment(key):
            return part.index.holders(f"segment:{key}")
        case Stage(keys):
            return _one_of("stage", keys, part)
        case Tier(keys):
            return _one_of("tier", keys, part)
        case _:
            return None


def _each(conditions: tuple[Condition, ...], part: Part) -> list[BitMap] | None:
    found = []
    for one in conditions:
        bitmap = members(one, part)
        if bitmap is None:
            return None
        found.append(bitmap)
    return found


def _all(conditions: tuple[Condition, ...], part: Part) -> BitMap | None:
    """What is denied is taken away at the end: it is cheaper than to begin with everybody who is not it."""
    inside = _each(tuple(one for one in conditions if not isinstance(one, Not)), part)
    outside = _each(tuple(one.part for one in conditions if isinstance(one, Not)), part)
    if inside is None or outside is None:
        return None
    if outside or not inside:
        inside.append(part.everyone)
    inside.sort(key=len)
    met = reduce(and_, inside)  # one after the other: ten times as fast as all at once
    return met - united(outside) if outside else met


def _with_value(reference: str, test: Timeless, *, negated: bool, part: Part) -> BitMap | None:
    group = part.index.groups.get(reference)
    if group is None:
        return BitMap()
    if not group.whole:
        return None
    passing = [bitmap for value, bitmap in group.by_value.items() if asks(value, test, negated, part.calendar)]
    if asks(True, test, negated, part.calendar):  # which is what holders of a flag have
        passing.append(group.holders - united(group.by_value.values()))
    return united(passing)


def _one_of(reference: str, values: tuple[str, ...], part: Part) -> BitMap | None:
    group = part.index.groups.get(reference)
    if group is None:
        return BitMap()
    if not group.whole:
        return None
    return united(group.by_value[value] for value in values if value in group.by_value)
