"""Answering from the moments of two steps whether the one was followed by the other.

The moments themselves are kept, not how far a sequence has come: an event that arrives late may lie between two others,
and only moments can be put in order again.
"""

from bisect import bisect_right
from collections.abc import Iterator
from typing import Any, Final

from libs.conditions.calendar import Calendar
from libs.conditions.feature import features_of_sequence
from libs.conditions.seen import NO, Reader, Result, Seen
from libs.conditions.tree import Sequence
from libs.conditions.windows import Hours, Length
from libs.runtime.clock import Micros

_FOREVER: Final[Micros] = 2**62


def reader_of_sequence(sequence: Sequence, calendar: Calendar) -> Reader:
    """The answer of a `sequence`."""
    first, other = ((feature.section, feature.key) for feature in features_of_sequence(sequence, calendar.zone.key))
    spans = _Spans(sequence, calendar)

    def read(seen: Seen) -> Result:
        begun = _state(seen, *first)
        if not begun:
            return NO
        others = _state(seen, *other)
        now = max(seen.now, begun[-1][0], others[-1][0] if others else seen.now)
        made, changes_at, coming = None, 0, _FOREVER
        for at, followed in _followed(begun, others, spans):
            if followed is sequence.negated:
                continue
            ready, leaves = spans.ready(at), spans.leaves(at)
            if ready <= now < leaves:
                made, changes_at = at, max(changes_at, leaves)
            elif now < ready < leaves:
                coming = min(coming, ready)
        if made is not None:
            return Result(True, changes_at, None, made)
        return NO if coming == _FOREVER else Result(holds=False, changes_at=coming)

    return read


class _Spans:
    """When a first event counts: from when, until when, and how long the other event may still come."""

    __slots__ = ("_calendar", "_sequence")

    def __init__(self, sequence: Sequence, calendar: Calendar) -> None:
        self._sequence = sequence
        self._calendar = calendar

    def leaves(self, at: Micros) -> Micros:
        """The first moment at which it lies too far back."""
        return self._after(at, self._sequence.during)

    def ends(self, at: Micros) -> Micros:
        """The first moment that is too late for the other event."""
        within = self._sequence.within
        if within is None:
            return _FOREVER
        return self._after(at, within) + (1 if isinstance(within, Hours) else 0)  # an hour after is within an hour

    def ready(self, at: Micros) -> Micros:
        """The first moment at which it counts; one that is followed does so at once."""
        if not self._sequence.negated:
            return at
        if self._sequence.within is not None:
            return self.ends(at)
        return at if self._sequence.waited is None else self._after(at, self._sequence.waited)

    def _after(self, at: Micros, length: Length) -> Micros:
        if isinstance(length, Hours):
            return at + length.micros
        return self._calendar.start_of(self._calendar.day(at) + length.days)


def _followed(begun: list[list[Any]], others: list[list[Any]], spans: _Spans) -> Iterator[tuple[Micros, bool]]:
    by_key: dict[str, list[Micros]] = {}
    for at, key, _ in others:
        by_key.setdefault(key, []).append(at)
    for at, key, _ in begun:
        moments = by_key.get(key, [])
        next_one = bisect_right(moments, at)
        yield at, next_one < len(moments) and moments[next_one] < spans.ends(at)


def _state(seen: Seen, section: int, key: int) -> list[list[Any]]:
    held = seen.features.section(section)
    state: list[list[Any]] | None = None if held is None else held.get(key)
    return [] if state is None else state
