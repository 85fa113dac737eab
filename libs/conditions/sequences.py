"""Answering from the moments of two steps whether the one was followed by the other.

The moments themselves are kept, not how far a sequence has come: an event that arrives late may lie between two others,
and only moments can be put in order again.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable
from typing import Any, Final

from libs.conditions.calendar import Calendar
from libs.conditions.feature import features_of_sequence
from libs.conditions.seen import NO, Reader, Seen
from libs.conditions.standing import Answer
from libs.conditions.tree import Sequence
from libs.conditions.windows import Hours, Length
from libs.runtime.clock import Micros

_FOREVER: Final[Micros] = 2**62
_NONE: Final[list[Micros]] = []

After = Callable[[Micros], Micros]
"""The moment that lies some length after another."""


def reader_of_sequence(sequence: Sequence, calendar: Calendar) -> Reader:
    """The answer of a `sequence`."""
    (first, first_key), (other, other_key) = (
        (feature.section, feature.key) for feature in features_of_sequence(sequence, calendar.zone.key)
    )
    negated = sequence.negated
    leaves_at, ends_at, ready_at = (
        _after(sequence.during, calendar),
        _ends(sequence, calendar),
        _ready(sequence, calendar),
    )

    def read(seen: Seen) -> Answer:
        begun = seen.sections[first].get(first_key)
        if not begun:
            return NO
        others = seen.sections[other].get(other_key)
        now = max(seen.now, begun[-1][0], others[-1][0] if others else seen.now)
        by_key = _by_key(others) if others else {}
        made, changes_at, coming = None, 0, _FOREVER
        for at, key, _ in begun:
            leaves = leaves_at(at)
            if leaves <= now:
                continue
            moments = by_key.get(key, _NONE)
            next_one = bisect_right(moments, at)
            if (next_one < len(moments) and moments[next_one] < ends_at(at)) is negated:
                continue
            ready = ready_at(at)
            if ready <= now:
                made, changes_at = at, max(changes_at, leaves)
            elif ready < leaves:
                coming = min(coming, ready)
        if made is not None:
            return Answer(True, changes_at, made)
        return NO if coming == _FOREVER else Answer(holds=False, changes_at=coming)

    return read


def _ends(sequence: Sequence, calendar: Calendar) -> After:
    """The first moment that is too late for the other event."""
    within = sequence.within
    if within is None:
        return lambda _: _FOREVER
    if isinstance(within, Hours):
        micros = within.micros + 1  # an hour after is within an hour
        return lambda at: at + micros
    return _after(within, calendar)


def _ready(sequence: Sequence, calendar: Calendar) -> After:
    """The first moment at which a first event counts; one that is followed does so at once."""
    if sequence.negated and sequence.within is not None:
        return _ends(sequence, calendar)
    if sequence.negated and sequence.waited is not None:
        return _after(sequence.waited, calendar)
    return lambda at: at


def _after(length: Length, calendar: Calendar) -> After:
    if isinstance(length, Hours):
        micros = length.micros
        return lambda at: at + micros
    days, day, start_of = length.days, calendar.day, calendar.start_of
    return lambda at: start_of(day(at) + days)


def _by_key(entries: Iterable[list[Any]]) -> dict[str, list[Micros]]:
    by_key: dict[str, list[Micros]] = {}
    for at, key, _ in entries:
        by_key.setdefault(key, []).append(at)
    return by_key
