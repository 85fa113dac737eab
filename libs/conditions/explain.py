"""Says why a condition holds of a person or does not: part by part, in events, measures and moments."""

from collections.abc import Iterator
from collections.abc import Sequence as Several

import msgspec

from libs.conditions.batch import found
from libs.conditions.event import Event
from libs.conditions.features import Features
from libs.conditions.history import History
from libs.conditions.numbers import SCALE, Bound, fixed
from libs.conditions.plan import Plan
from libs.conditions.standing import Standing, Value
from libs.conditions.tree import All, Amount, AnyOf, Condition, Did, Not
from libs.runtime.clock import Micros


class Short(msgspec.Struct, frozen=True, gc=False):
    """By how much a measured value must change for the answer to flip; less than nothing is down.

    With `beyond`, by more than that.
    """

    by: int | float
    beyond: bool = False


class Explained(msgspec.Struct, frozen=True, gc=False):
    """One part of a condition: whether it holds and why.

    `path` is that of the canonical document. `events` are those that make the part hold: without all of them it would
    not, except where it holds because something did not happen. `changes_at` is as in `Answer`. `flip` is what the
    measured value lacks, or has to spare; None where nothing is measured: then another value, or an event, flips it.
    """

    path: str
    condition: Condition
    holds: bool
    value: Value = None
    key: str | None = None
    events: tuple[bytes, ...] = ()
    changes_at: Micros | None = None
    flip: Short | None = None
    parts: "tuple[Explained, ...]" = ()


def explain(condition: Condition, events: Several[Event], standing: Standing, now: Micros, zone: str) -> Explained:
    """Explain the answer of a condition after a history; `zone` is the tenant's. Raises `InvalidArgument` for no zone.

    Moments and truths are those of a plan, so that an explanation never tells another story than what was done by it.
    """
    nodes = dict(_nodes(condition, ""))
    plan = Plan(nodes, zone)
    features = Features()
    for event in events:
        plan.fold(features, event)
    explainer = _Explainer(plan, features, standing, History(events, now, plan.zones.tenant))
    return explainer.part(condition, "")


def why(explained: Explained) -> frozenset[bytes]:
    """The events named for every branch that makes a condition hold; nothing where it does not."""
    if not explained.holds:
        return frozenset()
    if isinstance(explained.condition, Not):
        return frozenset()
    return frozenset(explained.events).union(*(why(part) for part in explained.parts))


class _Explainer(msgspec.Struct, frozen=True):
    plan: Plan
    features: Features
    standing: Standing
    history: History

    def part(self, condition: Condition, path: str) -> Explained:
        answer = self.plan.answer(path, self.features, self.standing, self.history.now)
        parts = tuple(self.part(inner, place) for place, inner in _inner(condition, path))
        naming = () if parts else found(condition, self.history, self.standing, self.plan.zones).events
        return Explained(
            path=path,
            condition=condition,
            holds=answer.holds,
            value=answer.value,
            key=answer.key,
            events=tuple(event.id for event in naming),
            changes_at=answer.changes_at,
            flip=_flip(condition, answer.value, answer.holds),
            parts=parts,
        )


def _nodes(condition: Condition, path: str) -> Iterator[tuple[str, Condition]]:
    yield path, condition
    for place, inner in _inner(condition, path):
        yield from _nodes(inner, place)


def _inner(condition: Condition, path: str) -> Iterator[tuple[str, Condition]]:
    """The parts of a condition with their paths; a part's own kind is not in its path."""
    before = f"{path}." if path else ""
    match condition:
        case All(parts) | AnyOf(parts):
            name = "all" if isinstance(condition, All) else "any"
            for index, part in enumerate(parts):
                yield f"{before}{name}[{index}]", part
        case Not(part):
            yield f"{before}{'did_not' if isinstance(part, Did) else 'not'}", part
        case _:
            pass


def _flip(condition: Condition, value: Value, holds: bool) -> Short | None:
    if not isinstance(condition, Did) or not isinstance(condition.test, Amount):
        return None
    bound, measured = condition.test.bound, fixed(value)
    if bound is None or measured is None:
        return None
    return _spare(bound, measured) if holds else _lacking(bound, measured)


def _lacking(bound: Bound, measured: int) -> Short | None:
    if bound.low is not None and (measured < bound.low or (bound.low_open and measured == bound.low)):
        return _short(bound.low - measured, bound.low_open)
    if bound.high is not None:
        return _short(bound.high - measured, bound.high_open)
    return None


def _spare(bound: Bound, measured: int) -> Short | None:
    ways = []
    if bound.low is not None:
        ways.append((bound.low - measured, not bound.low_open))
    if bound.high is not None:
        ways.append((bound.high - measured, not bound.high_open))
    return _short(*min(ways, key=lambda way: abs(way[0]))) if ways else None


def _short(by: int, beyond: bool) -> Short:
    whole, rest = divmod(by, SCALE)
    return Short(by / SCALE if rest else whole, beyond)
