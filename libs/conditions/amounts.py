"""Answering from features how often and how much somebody did something."""

from collections import Counter
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

from libs.conditions.calendar import Calendar
from libs.conditions.feature import Feature, features_of_did
from libs.conditions.features import Sections
from libs.conditions.numbers import shown
from libs.conditions.rising import rising_reader
from libs.conditions.seen import NO, Reader, Seen, either
from libs.conditions.sliding import Gauge, Leaves, Slid
from libs.conditions.standing import Answer
from libs.conditions.states import State
from libs.conditions.tree import Amount, Did, Measure
from libs.conditions.windows import Days, Hours

Numbers = Mapping[int, int]
Counted = tuple[Numbers, Numbers | None]
"""Numbers by day or moment, and for an average, how many each stands for."""

Stretch = tuple[int, Leaves]
"""What lies after the first is in the window; the second says when it leaves."""


def reader_of_amount(did: Did, amount: Amount, calendar: Calendar) -> Reader:
    """The answer of a `did` that measures."""
    features = features_of_did(did, calendar.zone.key)
    section, key = features[0].section, features[0].key
    stretch_of = _stretch(amount, features[0], calendar)
    answer = _one(amount, features) if amount.per is None else _each_key(amount, features)
    nothing = NO if amount.per is not None else _answer(Gauge(amount.measure, amount.bound).whole({}, None))

    def read(seen: Seen) -> Answer:
        state = seen.sections[section].get(key)
        if state is None:
            return nothing
        return answer(seen.sections, state, None if stretch_of is None else stretch_of(state, seen))

    return rising_reader(amount, features[0], calendar, read) or read


def _stretch(amount: Amount, feature: Feature, calendar: Calendar) -> Callable[[State, Seen], Stretch] | None:
    """The window at a moment, which is no earlier than the newest in the state; None for one that never moves."""
    match amount.window:
        case Days(days):
            newest: Callable[[Any], int] = (lambda state: max(state.values())) if feature.shape == "distinct" else max

            def leaves_day(day: int) -> int:
                return calendar.start_of(day + days)

            return lambda state, seen: (max(seen.today, newest(state)) - days, leaves_day)
        case Hours():
            micros = amount.window.micros

            def leaves(at: int) -> int:
                return at + micros

            return lambda state, seen: (max(seen.now, state[-1][0]) - micros, leaves)
        case _:
            return None


def _one(amount: Amount, kept: tuple[Feature, ...]) -> Callable[[Sections, State, Stretch | None], Answer]:
    gauge, numbers_of = Gauge(amount.measure, amount.bound), _numbers(amount, kept)

    def answer(sections: Sections, state: State, stretch: Stretch | None) -> Answer:
        numbers, counts = numbers_of(sections, state)
        return _answer(gauge.whole(numbers, counts) if stretch is None else gauge.sliding(numbers, counts, *stretch))

    return answer


def _numbers(amount: Amount, kept: tuple[Feature, ...]) -> Callable[[Sections, State], Counted]:
    match kept[0].shape:
        case "times":
            return lambda _, state: _by_moment(amount.measure, state)
        case "distinct":
            return lambda _, state: (Counter(state.values()), None)
        case _ if len(kept) > 1:
            section, counts_key = kept[1].section, kept[1].key
            return lambda sections, state: (state, sections[section][counts_key])
        case _:
            return lambda _, state: (state, None)


def _by_moment(measure: Measure, entries: list[list[Any]]) -> Counted:
    if measure == "distinct":
        return Counter({key: at for at, key, _ in entries}.values()), None  # of equal keys the last stays
    if measure in {"min", "max"}:
        # In order of moment and number, so that of one moment the first is the least and the last the greatest.
        return {at: number for at, _, number in (entries if measure == "max" else reversed(entries))}, None
    numbers: Counter[int] = Counter()
    counts: Counter[int] = Counter()
    for at, _, number in entries:
        numbers[at] += number
        counts[at] += 1
    return numbers, counts if measure == "average" else None


def _each_key(amount: Amount, kept: tuple[Feature, ...]) -> Callable[[Sections, State, Stretch | None], Answer]:
    gauge, numbers_of = Gauge(amount.measure, amount.bound), _numbers_by_key(amount, kept)

    def answer(sections: Sections, state: State, stretch: Stretch | None) -> Answer:
        by_key: dict[str, Slid] = {}
        for key, (numbers, counts) in numbers_of(sections, state).items():
            if stretch is None:
                by_key[key] = gauge.whole(numbers, counts)
            elif any(place > stretch[0] for place in numbers):
                by_key[key] = _until_gone(gauge.sliding(numbers, counts, *stretch), numbers, stretch)
        if not by_key:
            return NO
        holds, changes_at = either(list(by_key.values()))
        key = max(sorted(by_key), key=lambda one: _ratio(by_key[one]))
        return Answer(holds, changes_at, _shown(by_key[key]), key)

    return answer


def _numbers_by_key(amount: Amount, kept: tuple[Feature, ...]) -> Callable[[Sections, State], dict[str, Counted]]:
    if kept[0].shape == "times":

        def of_moments(_: Sections, state: State) -> dict[str, Counted]:
            by_key: dict[str, list[list[Any]]] = {}
            for entry in state:
                by_key.setdefault(entry[1], []).append(entry)
            return {key: _by_moment(amount.measure, entries) for key, entries in by_key.items()}

        return of_moments
    if len(kept) > 1:
        section, counts_key = kept[1].section, kept[1].key

        def of_days_counted(sections: Sections, state: State) -> dict[str, Counted]:
            counts = _turned(sections[section][counts_key])
            return {key: (numbers, counts[key]) for key, numbers in _turned(state).items()}

        return of_days_counted
    return lambda _, state: {key: (numbers, None) for key, numbers in _turned(state).items()}


def _turned(state: Mapping[int, Mapping[str, int]]) -> dict[str, dict[int, int]]:
    turned: dict[str, dict[int, int]] = {}
    for day, keys in state.items():
        for key, number in keys.items():
            turned.setdefault(key, {})[day] = number
    return turned


def _until_gone(slid: Slid, numbers: Numbers, stretch: Stretch) -> Slid:
    """A key of which nothing is left holds no bound, not even one that nothing would meet."""
    if slid.holds and slid.changes_at is None:
        return Slid(slid.holds, stretch[1](max(numbers)), slid.number, slid.of)
    return slid


def _ratio(slid: Slid) -> Fraction:
    return Fraction(slid.number, slid.of) if slid.of else Fraction(0)


def _answer(slid: Slid) -> Answer:
    return Answer(slid.holds, slid.changes_at, _shown(slid))


def _shown(slid: Slid) -> int | float | None:
    return shown(slid.number, slid.of) if slid.of else None
