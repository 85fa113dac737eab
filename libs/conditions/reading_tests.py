"""Reading what is asked of one value: `Shanghai`, `[a, b]`, `{at_least: 100}`, `{anniversary: {days_before: 3}}`."""

from collections.abc import Mapping
from typing import Final

from libs.conditions.comparisons import (
    EXISTS,
    Anniversary,
    Contains,
    Dated,
    DatePart,
    EndsWith,
    FromToday,
    InBound,
    OneOf,
    Scalar,
    StartsWith,
    Test,
    Timeless,
    Years,
)
from libs.conditions.numbers import Bound
from libs.conditions.said import Said

BOUNDS: Final = ("at_least", "more_than", "at_most", "less_than", "equals")
DATES: Final = ("from", "to")
_OTHERS: Final = ("is", "is_not", "in", "not_in", "exists", "contains", "not_contains", "starts_with", "ends_with")
_DATE_PARTS: Final = ("anniversary", "years", "from_today")
_FAR: Final = 36_600


def read_test(said: Said) -> tuple[Timeless, bool]:
    """What is asked of a value, and whether it is asked for the opposite."""
    test, negated = _read(said, (*BOUNDS, *DATES, *_OTHERS))
    assert not isinstance(test, DatePart), "date parts are not among the names allowed"
    return test, negated


def read_any_test(said: Said) -> tuple[Test, bool]:
    """The same where today may matter: of a trait."""
    return _read(said, (*BOUNDS, *DATES, *_OTHERS, *_DATE_PARTS))


def read_bound(said: Said) -> Bound:
    """`{at_least: 2}`, `{more_than: 1, at_most: 5}`, `{equals: 3}`, or `2` for at least 2."""
    if not isinstance(said.value, dict):
        return Bound(low=said.number())
    return bound_of(said, said.fields(*BOUNDS))


def bound_of(said: Said, fields: Mapping[str, Said]) -> Bound:
    """The bound that the fields of a mapping say; others among them are not looked at."""
    given = {name: fields[name].number() for name in BOUNDS if name in fields}
    if not given:
        said.fail(f"needs one of {', '.join(BOUNDS)}")
    for one, other in (("at_least", "more_than"), ("at_most", "less_than")):
        if one in given and other in given:
            fields[other].fail(f"contradicts {one}: give one of them")
    if "equals" in given:
        if len(given) > 1:
            fields["equals"].fail("stands alone, without another bound")
        return Bound(low=given["equals"], high=given["equals"])
    low = given.get("at_least", given.get("more_than"))
    high = given.get("at_most", given.get("less_than"))
    bound = Bound(low, high, "more_than" in given, "less_than" in given)
    if low is not None and high is not None and (low > high or (low == high and (bound.low_open or bound.high_open))):
        said.fail("can never hold: the lower bound is above the upper one")
    return bound


def dates_of(said: Said, fields: Mapping[str, Said]) -> tuple[int | None, int | None]:
    """The days that `from` and `to` name, of which there is at least one."""
    first, last = (fields[name].day() if name in fields else None for name in DATES)
    if first is None and last is None:
        said.fail("needs from or to")
    if first is not None and last is not None and first > last:
        fields["to"].fail("is before from")
    return first, last


def _read(said: Said, known: tuple[str, ...]) -> tuple[Test, bool]:
    if isinstance(said.value, list):
        return OneOf(_distinct(said)), False
    if not isinstance(said.value, dict):
        return OneOf((said.scalar(),)), False
    fields = said.fields(*known)
    if not fields:
        said.fail("asks nothing")
    for names in (BOUNDS, DATES):
        if fields.keys() <= set(names):
            return (InBound(bound_of(said, fields)) if names is BOUNDS else Dated(*dates_of(said, fields))), False
    if len(fields) > 1:
        said.fail(f"asks several things at once: {', '.join(sorted(fields))}; give each a clause of its own")
    return _named(*next(iter(fields.items())))


def _named(name: str, said: Said) -> tuple[Test, bool]:  # noqa: C901, PLR0911  a case for each word
    match name:
        case "is" | "is_not":
            return OneOf((said.scalar(),)), name == "is_not"
        case "in" | "not_in":
            return OneOf(_distinct(said)), name == "not_in"
        case "exists":
            return EXISTS, not said.flag()
        case "contains" | "not_contains":
            return Contains(said.text()), name == "not_contains"
        case "starts_with":
            return StartsWith(said.text()), False
        case "ends_with":
            return EndsWith(said.text()), False
        case "years":
            return Years(read_bound(said)), False
        case "anniversary":
            fields = said.fields("days_before", "days_after")
            ahead, behind = (fields[n].whole(0, 180) if n in fields else 0 for n in ("days_before", "days_after"))
            return Anniversary(ahead, behind), False
        case _:
            assert name == "from_today", f"{name} is known but not read"
            fields = said.fields("at_least", "at_most")
            low, high = (fields[n].whole(-_FAR, _FAR) if n in fields else None for n in ("at_least", "at_most"))
            if low is None and high is None:
                said.fail("needs at_least or at_most")
            if low is not None and high is not None and low > high:
                said.fail("can never hold: the lower bound is above the upper one")
            return FromToday(low, high), False


def _distinct(said: Said) -> tuple[Scalar, ...]:
    values = [one.scalar() for one in said.items()]
    return tuple({(isinstance(value, bool), value): value for value in values}.values())
