"""Leaves about what is held of a person already: traits, tags, scores, stages, tiers and segments."""

from typing import assert_never

from libs.conditions.calendar import Zones
from libs.conditions.comparisons import Anniversary, FromToday, Years
from libs.conditions.dates import day_of, part_changes, part_holds
from libs.conditions.event import values_in
from libs.conditions.matching import asks
from libs.conditions.standing import Standing
from libs.conditions.tree import Reference, Score, Segment, Stage, Tag, Tier, Trait
from libs.runtime.clock import Micros


def trait_holds(trait: Trait, standing: Standing, now: Micros, zones: Zones) -> bool:
    """The answer of a `trait`."""
    value, test = standing.traits.get(trait.name), trait.test
    if not isinstance(test, Anniversary | Years | FromToday):
        return asks(value, test, trait.negated, zones.tenant)
    calendar = zones.of(standing.zone)
    today = calendar.day(now)
    days = [day for one in values_in(value) if (day := day_of(one, calendar)) is not None]
    return any(part_holds(test, day, today) for day in days) != trait.negated


def trait_changes(trait: Trait, standing: Standing, now: Micros, zones: Zones) -> Micros | None:
    """A moment before which time alone can't change the answer of a `trait`; None if it never will."""
    value, test = standing.traits.get(trait.name), trait.test
    if value is None or not isinstance(test, Anniversary | Years | FromToday):
        return None
    calendar = zones.of(standing.zone)
    today = calendar.day(now)
    days = [day for one in values_in(value) if (day := day_of(one, calendar)) is not None]
    changes = [change for day in days if (change := part_changes(test, day, today)) is not None]
    return calendar.start_of(min(changes)) if changes else None


def refers(reference: Reference, standing: Standing, zones: Zones) -> bool:
    """The answer of a condition about what is held of the person already."""
    match reference:
        case Tag(key, test, negated):
            value = standing.tags.get(key)
            return value is not None and (test is None or asks(value, test, negated, zones.tenant))
        case Score(key, bound):
            score = standing.scores.get(key)
            return score is not None and bound.holds(score)
        case Stage(keys):
            return not standing.stages.isdisjoint(keys)
        case Tier(keys):
            return not standing.tiers.isdisjoint(keys)
        case Segment(key):
            return key in standing.segments
        case _:
            assert_never(reference)
