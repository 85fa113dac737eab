"""Conditions answered straight from a history: for previews, dry runs, and to hold the plan against."""

from collections.abc import Sequence as Several
from typing import Final

from libs.conditions.calendar import Zones
from libs.conditions.event import Event
from libs.conditions.history import Found, History
from libs.conditions.holding import refers, trait_holds
from libs.conditions.standing import Answer, Standing
from libs.conditions.tree import (
    All,
    AnyOf,
    Condition,
    Did,
    Not,
    Sequence,
    Trait,
)
from libs.runtime.clock import Micros

_HOLDS: Final = Found(holds=True)
_NOT: Final = Found(holds=False)


def answer(condition: Condition, events: Several[Event], standing: Standing, now: Micros, zones: Zones) -> Answer:
    """What a condition answers after a history, in any order; `changes_at` is not computed."""
    one = found(condition, History(events, now, zones.tenant), standing, zones)
    return Answer(one.holds, None, one.value, one.key)


def found(  # noqa: PLR0911  a case for each kind
    condition: Condition, history: History, standing: Standing, zones: Zones
) -> Found:
    """What a condition answers, and for a leaf, of which events."""
    match condition:
        case All(parts):
            return _HOLDS if all(found(part, history, standing, zones).holds for part in parts) else _NOT
        case AnyOf(parts):
            return _HOLDS if any(found(part, history, standing, zones).holds for part in parts) else _NOT
        case Not(part):
            return _NOT if found(part, history, standing, zones).holds else _HOLDS
        case Did():
            return history.did(condition)
        case Sequence():
            return history.sequence(condition)
        case Trait():
            return Found(trait_holds(condition, standing, history.now, zones))
        case _:
            return Found(refers(condition, standing, zones))
