"""Refuses of a condition whatever can't be known of a past day, because it is not kept by the day."""

from collections.abc import Iterator
from typing import assert_never

from libs.conditions.check import Finding
from libs.conditions.tree import (
    All,
    Amount,
    AnyOf,
    Condition,
    Did,
    EdgeValue,
    Moment,
    Not,
    Score,
    Segment,
    Sequence,
    Stage,
    Tag,
    Tier,
    Trait,
)
from libs.conditions.windows import Hours, Window


def check_by_day(condition: Condition) -> list[Finding]:
    """Errors, in the order of the document; none for what `ByDay` can answer."""
    return list(_condition(condition, ""))


def _condition(condition: Condition, path: str) -> Iterator[Finding]:
    match condition:
        case All(parts) | AnyOf(parts):
            name = "all" if isinstance(condition, All) else "any"
            for index, part in enumerate(parts):
                yield from _condition(part, f"{_under(path, name)}[{index}]")
        case Not(Did() as did):
            yield from _did(did, _under(path, "did_not"))
        case Not(part):
            yield from _condition(part, _under(path, "not"))
        case Did():
            yield from _did(condition, _under(path, "did"))
        case Sequence():
            yield _error(_under(path, "sequence"), "sequences are kept for some days only, not for every past day")
        case Trait(name):
            yield _error(_under(path, f"trait.{name}"), "what a trait said on a past day is not kept")
        case Tag() | Score() | Stage() | Tier() | Segment():
            name = type(condition).__name__.lower()
            yield _error(_under(path, name), f"what somebody had of a {name} on a past day hangs on more than events")
        case _:
            assert_never(condition)


def _did(did: Did, path: str) -> Iterator[Finding]:
    match did.test:
        case Amount(measure, _, _, per, window):
            if measure == "distinct":
                yield _error(f"{path}.distinct", "different values are kept by the last day of each, not for every day")
            if per is not None:
                yield _error(f"{path}.per", "what is kept of each value is not kept for every past day")
            yield from _window(window, path)
        case Moment(edge, window):
            if edge == "last":
                yield _error(f"{path}.last", _LAST)
            yield from _window(window, f"{path}.{edge}")
        case EdgeValue(edge):
            yield _error(f"{path}.{edge}.of", "values are kept of the one event that is now first or last, not by day")
        case _:
            assert_never(did.test)


_LAST = "what was last on a past day is not kept; ask how often it was done, within days"


def _window(window: Window, path: str) -> Iterator[Finding]:
    if isinstance(window, Hours):
        yield _error(f"{path}.within", "hours are kept for some days only; count in days")


def _error(path: str, message: str) -> Finding:
    return Finding(path, message, "error")


def _under(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
