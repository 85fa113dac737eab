"""Answering from features when something happened first or last, and what it was then."""

from typing import assert_never

from libs.conditions.calendar import Calendar
from libs.conditions.feature import features_of_did
from libs.conditions.filters import value_check
from libs.conditions.seen import NO, Reader, Seen
from libs.conditions.standing import Answer
from libs.conditions.tree import Clause, Did, EdgeValue, Moment
from libs.conditions.windows import Between, Days, Ever, Hours, Window
from libs.runtime.clock import Micros


def reader_of_moment(did: Did, moment: Moment, calendar: Calendar) -> Reader:
    """The answer of a `did` that asks for its first or last time."""
    (feature,) = features_of_did(did, calendar.zone.key)
    section, key = feature.section, feature.key
    edge = 0 if moment.edge == "first" else 1

    def read(seen: Seen) -> Answer:
        span = seen.sections[section].get(key)
        if span is None:
            return NO
        at = span[edge]
        lies, leaves_at = _lies(moment.window, at, span[1], seen, calendar)
        return Answer(lies is moment.inside, leaves_at if lies else None, at)

    return read


def reader_of_edge_value(did: Did, test: EdgeValue, calendar: Calendar) -> Reader:
    """The answer of a `did` that asks for a property at its first or last time."""
    (feature,) = features_of_did(did, calendar.zone.key)
    section, key = feature.section, feature.key
    passes = value_check(Clause(test.of, test.test, test.negated), calendar)

    def read(seen: Seen) -> Answer:
        said = seen.sections[section].get(key)
        return NO if said is None else Answer(passes(said[1]), None, said[1])

    return read


def _lies(window: Window, at: Micros, newest: Micros, seen: Seen, calendar: Calendar) -> tuple[bool, Micros | None]:
    """Whether a moment lies in a window now, and when it leaves."""
    match window:
        case Ever():
            return True, None
        case Days(days):
            day = calendar.day(at)
            return day > max(seen.today, calendar.day(newest)) - days, calendar.start_of(day + days)
        case Hours():
            return at > max(seen.now, newest) - window.micros, at + window.micros
        case Between(first, last):
            day = calendar.day(at)
            return (first is None or day >= first) and (last is None or day <= last), None
        case _:
            assert_never(window)
