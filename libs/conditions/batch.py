"""Conditions answered straight from a history: for previews, dry runs, and to hold the plan against."""

from collections.abc import Iterable

from libs.conditions.calendar import Zones
from libs.conditions.event import Event
from libs.conditions.standing import Answer, Standing
from libs.conditions.tree import Condition
from libs.runtime.clock import Micros


def answer(condition: Condition, events: Iterable[Event], standing: Standing, now: Micros, zones: Zones) -> Answer:
    """What a condition answers after a history; `changes_at` is not computed."""
    raise NotImplementedError
