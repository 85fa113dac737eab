"""Leaves answered from a list of events, as naively as they are meant: what batch answers and explanations stand on."""

from collections.abc import Callable, Iterable, Iterator
from collections.abc import Sequence as Several
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from typing import Any, Final, NamedTuple, assert_never

from libs.conditions.calendar import Calendar
from libs.conditions.event import Event, entries_of, key_of, property_of, scalar_of, scalar_order, value_at, values_in
from libs.conditions.matching import Lookup, asks, meets, meets_all
from libs.conditions.numbers import SCALE, Bound, fixed
from libs.conditions.standing import Value
from libs.conditions.tree import Amount, Did, Edge, EdgeValue, Moment, Sequence, Step
from libs.conditions.windows import Between, Days, Ever, Hours, Length, Window
from libs.runtime.clock import Micros


@dataclass(frozen=True, slots=True)
class Found:
    """What a leaf answers, what was measured, and the events that it was measured of."""

    holds: bool
    value: Value = None
    key: str | None = None
    events: tuple[Event, ...] = ()


class Reading(NamedTuple):
    """What one event brings to a measure: a number, under a key where the measure has keys."""

    at: Micros
    event: Event
    key: str
    number: int


_NOT: Final = Found(holds=False)


@dataclass(frozen=True, slots=True)
class History:
    """What happened to one person, in any order, seen at a moment by the tenant's calendar."""

    events: Several[Event]
    now: Micros
    calendar: Calendar

    def did(self, did: Did) -> Found:
        """The answer of a `did`."""
        happened = [
            event for event in self.events if event.name in did.events and meets(event, did.where, self.calendar)
        ]
        match did.test:
            case Amount():
                return self._amount(did.test, list(self._readings(happened, did, did.test.of, did.test.per)))
            case Moment(edge, window, inside):
                return self._moment(edge, window, inside, list(self._readings(happened, did, None, None)))
            case EdgeValue():
                return self._edge_value(did.test, happened, did)
            case _:
                assert_never(did.test)

    def sequence(self, sequence: Sequence) -> Found:
        """The answer of a `sequence`; its value is the newest moment of a first event that makes it hold."""
        firsts = list(self._steps(sequence.first, sequence.same))
        others = list(self._steps(sequence.other, sequence.same))
        lies = self._inside(sequence.during, firsts + others)
        made: list[Reading] = []
        named: list[Event] = []
        for first in firsts:
            after = [other for other in others if other.key == first.key and other.at > first.at]
            if sequence.within is not None:
                after = [other for other in after if self._reaches(first.at, sequence.within, other.at)]
            if sequence.negated:
                holds = not after and self._waited(sequence, first.at, self._now(firsts + others))
            else:
                holds = bool(after)
            if holds and lies(first.at):
                made.append(first)
                named += [first.event, *(other.event for other in after)]
        if not made:
            return _NOT
        return Found(holds=True, value=max(one.at for one in made), events=_once(named))

    def _amount(self, amount: Amount, readings: list[Reading]) -> Found:
        lies = self._inside(amount.window, readings)
        inside = [one for one in readings if lies(one.at)]
        if amount.per is None:
            total = _measured(amount, inside)
            return Found(_holds(amount.bound, total, inside), _shown(total), None, _once(one.event for one in inside))
        by_key = {key: [one for one in inside if one.key == key] for key in sorted({one.key for one in inside})}
        totals = {key: _measured(amount, part) or Fraction(0) for key, part in by_key.items()}
        if not totals:
            return _NOT
        best = max(totals, key=lambda key: totals[key])
        holding = [key for key, part in by_key.items() if _holds(amount.bound, totals[key], part)]
        events = _once(one.event for key in holding for one in by_key[key])
        return Found(bool(holding), _shown(totals[best]), best, events)

    def _moment(self, edge: Edge, window: Window, inside: bool, readings: list[Reading]) -> Found:
        if not readings:
            return _NOT
        lies = self._inside(window, readings)
        times = [one.at for one in readings]
        at = min(times) if edge == "first" else max(times)
        events = _once(one.event for one in readings if lies(one.at) == inside)
        return Found(lies(at) == inside, at, None, events if lies(at) == inside else ())

    def _edge_value(self, test: EdgeValue, happened: Several[Event], did: Did) -> Found:
        valued = [
            ((event.occurred_at, scalar_order(value)), value, event)
            for event in happened
            for lookup in self._measured_things(event, did)
            if (value := scalar_of(lookup(test.of))) is not None
        ]
        if not valued:
            return _NOT
        value = (min if test.edge == "first" else max)(valued, key=lambda one: one[0])[1]
        holds = asks(value, test.test, test.negated, self.calendar)
        same = [event for _, other, event in valued if asks(other, test.test, test.negated, self.calendar)]
        return Found(holds, value, None, _once(same) if holds else ())

    def _measured_things(self, event: Event, did: Did) -> Iterator[Lookup]:
        if did.each is None:
            yield partial(property_of, event, self.calendar)
            return
        for entry in entries_of(event.properties, did.each.property):
            lookup = partial(value_at, entry)
            if meets_all(lookup, did.each.clauses, self.calendar):
                yield lookup

    def _readings(self, happened: Several[Event], did: Did, of: str | None, per: str | None) -> Iterator[Reading]:
        distinct = isinstance(did.test, Amount) and did.test.measure == "distinct"
        for event in happened:
            for lookup in self._measured_things(event, did):
                keys = _keys(lookup(per)) if per else _keys(lookup(of)) if distinct and of else [""]
                numbers = [SCALE] if of is None or distinct else _numbers(lookup(of))
                yield from (Reading(event.occurred_at, event, key, number) for key in keys for number in numbers)

    def _steps(self, step: Step, same: str | None) -> Iterator[Reading]:
        for event in self.events:
            if event.name in step.events and meets(event, step.where, self.calendar):
                for key in _keys(property_of(event, self.calendar, same)) if same else [""]:
                    yield Reading(event.occurred_at, event, key, SCALE)

    def _now(self, readings: Several[Reading]) -> Micros:
        return max([self.now, *(one.at for one in readings)])

    def _inside(self, window: Window, readings: Several[Reading]) -> Callable[[Micros], bool]:
        now, day = self._now(readings), self.calendar.day
        match window:
            case Ever():
                return lambda _: True
            case Days(days):
                return lambda at: day(at) > day(now) - days
            case Hours():
                return lambda at: at > now - window.micros
            case Between(first, last):
                return lambda at: (first is None or day(at) >= first) and (last is None or day(at) <= last)
            case _:
                assert_never(window)

    def _reaches(self, start: Micros, length: Length, at: Micros) -> bool:
        if isinstance(length, Days):
            return self.calendar.day(at) - self.calendar.day(start) < length.days
        return at - start <= length.micros

    def _waited(self, sequence: Sequence, start: Micros, now: Micros) -> bool:
        if sequence.within is not None:
            return not self._reaches(start, sequence.within, now)
        if isinstance(sequence.waited, Hours):
            return now - start >= sequence.waited.micros
        return sequence.waited is None or not self._reaches(start, sequence.waited, now)


def _measured(amount: Amount, readings: Several[Reading]) -> Fraction | None:
    numbers = [one.number for one in readings]
    match amount.measure:
        case "count" | "sum":
            return Fraction(sum(numbers))
        case "distinct":
            return Fraction(SCALE * len({one.key for one in readings}))
        case "average":
            return Fraction(sum(numbers), len(numbers)) if numbers else None
        case "min":
            return Fraction(min(numbers)) if numbers else None
        case "max":
            return Fraction(max(numbers)) if numbers else None
        case _:
            assert_never(amount.measure)


def _holds(bound: Bound | None, total: Fraction | None, readings: Several[Reading]) -> bool:
    if bound is None:
        return bool(readings)
    return total is not None and bound.holds(total.numerator, total.denominator)


def _shown(total: Fraction | None) -> Value:
    if total is None:
        return None
    number = total / SCALE
    return number.numerator if number.denominator == 1 else float(number)


def _keys(value: Any) -> list[str]:
    return list(dict.fromkeys(key for one in values_in(value) if (key := key_of(one)) is not None))


def _numbers(value: Any) -> list[int]:
    return [number for one in values_in(value) if (number := fixed(one)) is not None]


def _once(events: Iterable[Event]) -> tuple[Event, ...]:
    return tuple({event.id: event for event in events}.values())
