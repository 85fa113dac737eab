"""What conditions answer for any day of the tenant, past or to come, from what is kept by the day.

A day has two phases: it begins, when windows have moved on and nothing of the day has happened yet; and then it is
whole, with its events. What was known in a phase is what is kept, cut off there. So a condition answers what it would
have answered then, had everything come on time; in whichever order it did come.

What is kept of these conditions goes back `KEPT_DAYS` before the newest of its kind, so that the answer for a day does
not change because time has passed since. All that is older counts as one, as having been before everything else.
"""

from collections.abc import Iterator, Mapping
from typing import Final, Literal, NamedTuple

from msgspec.structs import replace

from libs.conditions.answering import reader_of
from libs.conditions.calendar import Zones
from libs.conditions.feature import Feature, features_of_did
from libs.conditions.features import Features, Section, Sections
from libs.conditions.references import leaves
from libs.conditions.seen import Seen
from libs.conditions.standing import NOBODY, Answer
from libs.conditions.states import OLDER
from libs.conditions.tree import Amount, Condition, Did, Moment
from libs.conditions.windows import EVER, Between, Days
from libs.runtime.clock import Micros

KEPT_DAYS: Final = 3_660
"""Ten years."""

Phase = Literal["begun", "whole"]
"""A day at its beginning, before its events; or with them."""


class _Source(NamedTuple):
    """A feature that is kept, and the one that readers look for; of dates only their days."""

    kept: Feature
    read: Feature
    dates: Between | None


class _Place(NamedTuple):
    """Where a source stands, and where readers look for what was known of it; `bit` is its own, `once` what is done
    first.
    """

    bit: int
    kept: tuple[int, int]
    once: bool
    section: int
    key: int
    dates: Between | None


def features_by_day(condition: Condition, zone: str) -> Iterator[Feature]:
    """What must be kept to answer a condition for any day; it has to pass `check_by_day`."""
    return (source.kept for source in _sources(condition, zone))


class ByDay:
    """Conditions by name, to be answered for any day of any person; it never changes."""

    def __init__(self, conditions: Mapping[str, Condition], zones: Zones) -> None:
        """The conditions have to pass `check_by_day`; the days are those of the tenant's calendar."""
        self.calendar: Final = zones.tenant
        self.readers: Final = {name: reader_of(one, zones) for name, one in conditions.items()}
        zone = self.calendar.zone.key
        read = {name: set(_sources(one, zone)) for name, one in conditions.items()}
        bits = {source: 1 << number for number, source in enumerate(set().union(*read.values()))}
        self.places: Final = tuple(_place(source, bit) for source, bit in bits.items())
        self.reads: Final = {name: sum(bits[source] for source in sources) for name, sources in read.items()}
        self._lengths: Final = {length for one in conditions.values() for length in _lengths(one)}

    def answer(self, name: str, features: Features, day: int, phase: Phase) -> Answer:
        """What a condition answers of a person on a day; to go through several days, see `Walk`."""
        walk = Walk(self, features)
        walk.go(day, phase)
        return walk.answer(name)

    def days_of_change(self, features: Features) -> list[int]:
        """The days, past and to come, on which any answer about a person may be another than on the day before."""
        days = Walk(self, features).days
        return sorted({*days, *(day + length for day in days for length in self._lengths)})


class Walk:
    """One person from day to day, forwards only. `days` are those with events that the conditions may read."""

    # What is known grows from day to day, so that nothing is copied: readers see no day beyond the one gone to.
    __slots__ = ("_firsts", "_numbers", "_readers", "_sections", "_seen", "_start_of", "_taken", "days")

    def __init__(self, by_day: ByDay, features: Features) -> None:
        self._readers = by_day.readers
        self._start_of, day_of = by_day.calendar.start_of, by_day.calendar.day
        self._sections = Sections({})
        self._numbers: list[tuple[int, Mapping[int, int], int, Between | None, Section]] = []
        self._firsts: list[tuple[int, int, list[Micros], int, Section]] = []
        self._taken = 0
        self._seen: Seen | None = None
        days: set[int] = set()
        for bit, (number, kept), once, read, key, dates in by_day.places:
            section = self._sections.setdefault(read, {})
            state = features.sections[number].get(kept)
            if state is None:
                continue
            if once:
                first = state[0]
                self._firsts.append((bit, day_of(first), [first, first], key, section))
                days.add(day_of(first))
                continue
            self._numbers.append((bit, state, key, dates, section))
            days.update(state)
            if OLDER in state and (dates is None or dates.first is None):
                section[key] = {OLDER: state[OLDER]}
        days.discard(OLDER)
        self.days: Final = sorted(days)

    def go(self, day: int, phase: Phase) -> int:
        """Go on to a phase of a day that is not before the last one; has a bit of `ByDay.reads` for all that is new."""
        days, last, new = self.days, day if phase == "whole" else day - 1, 0
        while self._taken < len(days) and days[self._taken] <= last:
            new |= self._take(days[self._taken])
            self._taken += 1
        self._seen = Seen(self._sections, NOBODY, self._start_of(day), day)
        return new

    def answer(self, name: str) -> Answer:
        """What a condition answers where the walk has come to; `changes_at` is the beginning of a day."""
        assert self._seen is not None, "go somewhere first"
        return self._readers[name](self._seen)

    def _take(self, day: int) -> int:
        """Let the events of a day be known."""
        new = 0
        for bit, state, key, dates, section in self._numbers:
            number = state.get(day)
            if number is not None and (dates is None or _lies(day, dates)):
                new |= bit
                known = section.get(key)
                if known is None:
                    section[key] = {day: number}
                else:
                    known[day] = number
        for bit, first, span, key, section in self._firsts:
            if first == day:
                new |= bit
                section[key] = span
        return new


def _lies(day: int, dates: Between) -> bool:
    return (dates.first is None or day >= dates.first) and (dates.last is None or day <= dates.last)


def _place(source: _Source, bit: int) -> _Place:
    kept, read = source.kept, source.read
    return _Place(bit, (kept.section, kept.key), kept.shape == "span", read.section, read.key, source.dates)


def _sources(condition: Condition, zone: str) -> Iterator[_Source]:
    for leaf in leaves(condition):
        assert isinstance(leaf, Did), "which was checked"
        plain, dates = leaf, None
        if isinstance(leaf.test, Amount) and isinstance(leaf.test.window, Between):
            plain, dates = replace(leaf, test=replace(leaf.test, window=EVER)), leaf.test.window
        for kept, read in zip(features_of_did(plain, zone), features_of_did(leaf, zone), strict=True):
            lasting = kept if kept.shape == "span" else replace(kept, keep=KEPT_DAYS)
            yield _Source(lasting, read, dates)


def _lengths(condition: Condition) -> Iterator[int]:
    for leaf in leaves(condition):
        if isinstance(leaf, Did) and isinstance(leaf.test, Amount | Moment) and isinstance(leaf.test.window, Days):
            yield leaf.test.window.days
