"""What must be kept to answer a leaf: features, each known by a fingerprint of what it measures.

Two definitions that ask the same of the same events share a feature, whatever their bounds and windows: days are kept
by the day, so that one feature serves every window. Only what would grow with the values of a property, or with the
number of events, is kept for no longer than a window asks, in a few lengths to share.
"""

from collections.abc import Iterator
from hashlib import blake2b
from typing import Any, Final, Literal, assert_never

import msgspec

from libs.conditions.comparisons import OneOf, Scalar
from libs.conditions.event import scalar_order
from libs.conditions.states import AtEdge, Daily, KeyedDaily, Kind, LastDays, Span, Times
from libs.conditions.tree import Amount, Clause, Did, Each, EdgeValue, Elements, Moment, Sequence, Step
from libs.conditions.windows import HOUR, MOST_DAYS, MOST_HOURS, Between, Days, Ever, Hours, Length, Window
from libs.runtime.clock import Micros

Shape = Literal["sum", "least", "greatest", "distinct", "times", "span", "first", "last"]
Where = tuple[Clause | Elements, ...]

_FEW: Final = 50
"""A clause with more values than that hardly narrows anything down."""

_LENGTHS: Final = (7, 30, 90, MOST_DAYS)
_DAY: Final[Micros] = 24 * HOUR
_JOINS: Final = {"sum": int.__add__, "least": min, "greatest": max}
_json: Final = msgspec.json.Encoder(order="sorted").encode


class Filter(msgspec.Struct, frozen=True, gc=False):
    """The events that a feature is about, and with `each`, the entries of a list in them."""

    events: tuple[str, ...]
    where: Where = ()
    each: Each | None = None

    @property
    def narrowest(self) -> tuple[Clause, ...]:
        """The clause that lets the fewest values of a property pass, if one lets few; events are led by it."""
        found: tuple[Clause, ...] = ()
        fewest = _FEW + 1
        for clause in self.where:
            if isinstance(clause, Clause) and isinstance(clause.test, OneOf) and not clause.negated:
                values = len(clause.test.values)
                if values < fewest:
                    found, fewest = (clause,), values
        return found


class Feature(msgspec.Struct, frozen=True, gc=False):
    """One thing that is kept of the events of a filter.

    `of` names what is measured; None counts, and so does `counted`, where `of` can be read. `per` names what it is kept
    by. `keep` is in microseconds for times, otherwise in days, 0 for `MOST_DAYS`. With `dates` only their days
    count, all as one. `zone` is the tenant's: days, and dates in clauses, are another thing in another zone.
    """

    filter: Filter
    shape: Shape
    zone: str
    of: str | None = None
    counted: bool = False
    per: str | None = None
    keep: int = 0
    dates: Between | None = None

    @property
    def key(self) -> int:
        """The fingerprint, of 64 bits."""
        return _hashed(8, self)

    @property
    def section(self) -> int:
        """The section of an anchor's features that it stands in, of 32 bits."""
        return _hashed(4, (self.filter.events, *self.filter.narrowest))

    @property
    def kind(self) -> Kind:
        """How it is kept."""
        match self.shape:
            case "sum" | "least" | "greatest":
                join: Any = _JOINS[self.shape]
                return KeyedDaily(join, self.keep) if self.per is not None else Daily(join, self.keep or MOST_DAYS)
            case "distinct":
                return LastDays()
            case "times":
                return Times(self.keep)
            case "span":
                return Span()
            case "first" | "last":
                return AtEdge(first=self.shape == "first")
            case _:
                assert_never(self.shape)


def features_of_did(did: Did, zone: str) -> tuple[Feature, ...]:
    """The features that answer a `did`: one, for an average over days two, the sum and the number of readings."""
    filter_ = Filter(did.events, _canonical(did.where), _canonical_each(did.each))
    match did.test:
        case Moment():
            return (Feature(filter_, "span", zone),)
        case EdgeValue(edge, of):
            return (Feature(filter_, edge, zone, of),)
        case Amount():
            return tuple(_features_of_amount(did.test, filter_, zone))
        case _:
            assert_never(did.test)


def features_of_sequence(sequence: Sequence, zone: str) -> tuple[Feature, Feature]:
    """The features that answer a `sequence`: when the one and when the other happened, by the same value."""
    keep = _micros(sequence.during)
    first, other = (_step(step, sequence.same, keep, zone) for step in (sequence.first, sequence.other))
    return first, other


def _features_of_amount(amount: Amount, filter_: Filter, zone: str) -> Iterator[Feature]:
    of, window = amount.of, amount.window
    if isinstance(window, Hours):
        shape: Shape = "times"
        if amount.measure == "distinct":
            yield Feature(filter_, shape, zone, per=of, keep=MOST_HOURS * HOUR)
        else:
            yield Feature(filter_, shape, zone, of, per=amount.per, keep=MOST_HOURS * HOUR)
        return
    dates = window if isinstance(window, Between) else None
    keep = _days(window) if amount.per is not None else 0
    match amount.measure:
        case "count":
            yield Feature(filter_, "sum", zone, counted=True, per=amount.per, keep=keep, dates=dates)
        case "sum" | "average":
            yield Feature(filter_, "sum", zone, of, per=amount.per, keep=keep, dates=dates)
            if amount.measure == "average":
                yield Feature(filter_, "sum", zone, of, counted=True, per=amount.per, keep=keep, dates=dates)
        case "min" | "max":
            shape = "least" if amount.measure == "min" else "greatest"
            yield Feature(filter_, shape, zone, of, per=amount.per, keep=keep, dates=dates)
        case "distinct":
            yield Feature(filter_, "distinct", zone, per=of, dates=dates)
        case _:
            assert_never(amount.measure)


def _step(step: Step, same: str | None, keep: Micros, zone: str) -> Feature:
    return Feature(Filter(step.events, _canonical(step.where)), "times", zone, per=same, keep=keep)


def _days(window: Window) -> int:
    match window:
        case Days(days):
            return next(length for length in _LENGTHS if days <= length)
        case Ever() | Between() | Hours():
            return MOST_DAYS
        case _:
            assert_never(window)


def _micros(length: Length) -> Micros:
    if isinstance(length, Hours):
        return MOST_HOURS * HOUR
    return (_days(length) + 1) * _DAY  # calendar days may be longer than 24 hours


def _canonical(where: Where) -> Where:
    return tuple(sorted({_canonical_clause(one) for one in where}, key=_said))


def _canonical_clause(clause: Clause | Elements) -> Clause | Elements:
    match clause:
        case Elements(path, quantifier, clauses):
            return Elements(path, quantifier, _canonical_clauses(clauses))
        case Clause(path, OneOf(values), negated):
            return Clause(path, OneOf(tuple(sorted(map(_plain, values), key=scalar_order))), negated)
        case _:
            return clause


def _plain(scalar: Scalar) -> Scalar:
    """3.0 as 3, which it equals: equal features must have one fingerprint."""
    return int(scalar) if isinstance(scalar, float) and scalar.is_integer() else scalar


def _canonical_clauses(clauses: tuple[Clause, ...]) -> tuple[Clause, ...]:
    return tuple(one for one in _canonical(clauses) if isinstance(one, Clause))


def _canonical_each(each: Each | None) -> Each | None:
    return None if each is None else Each(each.property, _canonical_clauses(each.clauses))


def _said(what: object) -> bytes:
    return _json([type(what).__name__, _spelt(what)])


def _spelt(what: Any) -> Any:
    # The names of types are said, too: Exists and an empty bound would else look the same.
    if isinstance(what, msgspec.Struct):
        return [type(what).__name__, *(_spelt(getattr(what, name)) for name in what.__struct_fields__)]
    return [_spelt(one) for one in what] if isinstance(what, tuple) else what


def _hashed(size: int, what: object) -> int:
    return int.from_bytes(blake2b(_said(what), digest_size=size).digest(), "big")


def trait_key(name: str) -> int:
    """The fingerprint of what is kept of a trait."""
    return _hashed(8, ("trait", name))
