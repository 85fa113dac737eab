"""Where-clauses compiled into functions: the same answers as `matching` gives, at a fraction of the time."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Final

from libs.conditions.calendar import Calendar
from libs.conditions.comparisons import Exists, InBound, OneOf, Scalar
from libs.conditions.event import Event, entries_of, look_up, value_at
from libs.conditions.matching import asks
from libs.conditions.numbers import fixed
from libs.conditions.tree import Clause, Elements

Check = Callable[[Event], bool]
CheckValue = Callable[[Any], bool]

_NUMBERS: Final = (int, float)


def tagged(value: Scalar) -> Scalar | tuple[bool]:
    """The value as a key of a dictionary, in which true is not 1."""
    return (value,) if type(value) is bool else value


def check_of(where: Iterable[Clause | Elements], calendar: Calendar) -> Check | None:
    """Whether an event meets all clauses; None where there are none."""
    checks = [_check(clause, calendar) for clause in where]
    if len(checks) <= 1:
        return checks[0] if checks else None
    return lambda event: all(check(event) for check in checks)


def check_of_entry(clauses: Iterable[Clause], calendar: Calendar) -> Callable[[Any], bool]:
    """Whether an entry of a list meets all clauses."""
    checks = [(clause.property, value_check(clause, calendar)) for clause in clauses]
    return lambda entry: all(check(value_at(entry, path)) for path, check in checks)


def value_check(clause: Clause, calendar: Calendar) -> CheckValue:
    """Whether a value passes a clause's test."""
    slow: CheckValue = partial(_asks, clause=clause, calendar=calendar)
    if clause.negated:
        return slow
    match clause.test:
        case OneOf(values):
            wanted = frozenset(tagged(value) for value in values)
            return lambda value: value in wanted if type(value) is str else slow(value)
        case InBound(bound):

            def in_bound(value: Any) -> bool:
                if type(value) in _NUMBERS:
                    number = fixed(value)
                    return number is not None and bound.holds(number)
                return slow(value)

            return in_bound
        case Exists():
            return lambda value: type(value) is str or slow(value)
        case _:
            return slow


def _asks(value: Any, clause: Clause, calendar: Calendar) -> bool:
    return asks(value, clause.test, clause.negated, calendar)


def _check(clause: Clause | Elements, calendar: Calendar) -> Check:
    if isinstance(clause, Clause):
        looked_up, passes = look_up(clause.property, calendar), value_check(clause, calendar)
        return lambda event: passes(looked_up(event))
    listed, entry_passes = clause.property, check_of_entry(clause.clauses, calendar)
    if clause.quantifier == "any":
        return lambda event: any(entry_passes(entry) for entry in entries_of(event.properties, listed))

    def all_pass(event: Event) -> bool:
        entries = entries_of(event.properties, listed)
        return bool(entries) and all(entry_passes(entry) for entry in entries)

    return all_pass
