"""Random conditions, histories and clocks, drawn so that they meet: few names, few values, close times."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from hypothesis import strategies as st

from libs.conditions.comparisons import (
    Anniversary,
    Contains,
    Dated,
    EndsWith,
    Exists,
    FromToday,
    InBound,
    OneOf,
    Scalar,
    StartsWith,
    Timeless,
    Years,
)
from libs.conditions.event import Event
from libs.conditions.numbers import SCALE, Bound
from libs.conditions.standing import Standing
from libs.conditions.tree import (
    All,
    Amount,
    AnyOf,
    Clause,
    Condition,
    Did,
    Each,
    EdgeValue,
    Elements,
    Measure,
    Moment,
    Not,
    Score,
    Segment,
    Sequence,
    Stage,
    Step,
    Tag,
    Tier,
    Trait,
)
from libs.conditions.windows import EVER, HOUR, Between, Days, Hours, Length, Window

ZONES: Final = ("Asia/Shanghai", "America/New_York", "Europe/London", "Pacific/Apia", "America/Havana", "UTC")
NAMES: Final = ("viewed", "bought")

# Around both changes of the clocks in New York, London and Havana, 29 February included.
_STARTS: Final = tuple(
    int(datetime(*date, tzinfo=UTC).timestamp()) * 1_000_000
    for date in ((2024, 2, 28), (2024, 3, 9), (2024, 3, 30), (2024, 11, 2), (2023, 12, 31))
)
starts = st.sampled_from(_STARTS)


FAR: Final = (5, 6, 7, 8, 29, 30, 31, 89, 90, 91, 399, 400, 401, 800)
"""Days at which something is forgotten, or just not."""


def moments(start: int, days: int = 4) -> st.SearchStrategy[int]:
    """Mostly whole hours of few days, so that windows end at an event exactly; and moments around midnights."""
    hours = st.integers(0, days * 24).map(lambda n: start + n * HOUR)
    far = st.sampled_from(FAR).map(lambda n: start + n * 24 * HOUR)
    nearly = st.tuples(hours, st.sampled_from([-1, 1, 10**9])).map(sum)
    return st.one_of(hours, hours, hours, nearly, far)


numbers = st.sampled_from([1, 2, 3, 5, 1, 2, 3, 0, -2, 2.5, 0.0001, "1.5", "x", 1e300])
words: st.SearchStrategy[Scalar] = st.sampled_from(
    ["red", "green", "red", "green", "Blue", "redgreen", True, 1, 1.0, "1", ""]
)
dates = st.sampled_from(
    ["2024-02-29", "2024-03-10T12:00:00Z", "2024-03-10T23:30:00-05:00", "2024-11-03T05:30:00", "no"]
)
entries = st.fixed_dictionaries({}, optional={"colour": words, "price": numbers})
properties = st.fixed_dictionaries(
    {},
    optional={
        "colour": st.one_of(words, st.lists(words, max_size=3)),
        "price": st.one_of(numbers, st.lists(numbers, max_size=2)),
        "when": dates,
        "cart": st.fixed_dictionaries({}, optional={"price": numbers}),
        "lines": st.one_of(st.lists(st.one_of(entries, st.just("odd")), max_size=3), st.just("none")),
    },
)


@st.composite
def histories(draw: st.DrawFn, start: int, most: int = 14) -> list[Event]:
    return [
        Event(
            id=index.to_bytes(16, "big"),
            name=draw(st.sampled_from([*NAMES, *NAMES, *NAMES, "other"])),
            occurred_at=draw(moments(start)),
            properties=draw(properties),
            traits=draw(st.fixed_dictionaries({}, optional={"city": words, "born": dates}))
            if draw(st.booleans())
            else {},
            source=draw(st.sampled_from(["", "web", "shop"])),
        )
        for index in range(draw(st.integers(0, most)))
    ]


paths = st.sampled_from(["colour", "price", "cart.price", "when", "$source", "$hour"])
bounds = st.builds(
    lambda low, high, low_open, high_open: Bound(
        low if low is None else min(low, high or low), high, low_open, high_open
    ),
    st.sampled_from([None, 0, SCALE, 2 * SCALE, 25_000, -SCALE]),
    st.sampled_from([None, SCALE, 3 * SCALE, 50_000]),
    st.booleans(),
    st.booleans(),
)
days = st.sampled_from([None, 19_780, 19_791, 19_792, 20_029])
timeless: st.SearchStrategy[Timeless] = st.one_of(
    st.lists(words, min_size=1, max_size=3, unique_by=repr).map(lambda values: OneOf(tuple(values))),
    st.just(Exists()),
    bounds.map(InBound),
    st.sampled_from(["r", "RED", "1"]).map(Contains),
    st.sampled_from(["r", "bl"]).map(StartsWith),
    st.sampled_from(["N", "d"]).map(EndsWith),
    st.builds(Dated, days, days),
)
clauses = st.builds(Clause, paths, timeless, st.booleans())
entry_clauses = st.builds(Clause, st.sampled_from(["colour", "price"]), timeless, st.booleans())
elements = st.builds(
    Elements, st.just("lines"), st.sampled_from(["any", "all"]), st.lists(entry_clauses, max_size=2).map(tuple)
)
wheres = st.one_of(st.just(()), st.just(()), st.lists(st.one_of(clauses, elements), max_size=2).map(tuple))
names = st.lists(st.sampled_from(NAMES), min_size=1, max_size=2, unique=True).map(lambda found: tuple(sorted(found)))
day_lengths = st.sampled_from([1, 2, 3, 7, 30, 400]).map(Days)
hour_lengths = st.sampled_from([1, 2, 24, 36, 72]).map(Hours)
betweens = st.builds(Between, days, days)
windows: st.SearchStrategy[Window] = st.one_of(st.just(EVER), day_lengths, hour_lengths, betweens)
measures: st.SearchStrategy[Measure] = st.sampled_from(["count", "sum", "average", "distinct", "min", "max"])


@st.composite
def amounts(draw: st.DrawFn) -> Amount:
    measure = draw(measures)
    of = (
        None
        if measure == "count"
        else "colour"
        if measure == "distinct"
        else draw(st.sampled_from(["price", "cart.price", "$hour"]))
    )
    per = None if measure == "distinct" else draw(st.sampled_from([None, None, "colour", "$hour"]))
    window = draw(windows if per is None else st.one_of(day_lengths, hour_lengths, betweens))
    bound = draw(bounds if measure == "count" else st.one_of(bounds, st.none()))
    return Amount(measure, of, bound, per, window)


@st.composite
def edge_moments(draw: st.DrawFn) -> Moment:
    window = draw(windows)
    outside = isinstance(window, Days | Hours) and draw(st.booleans())
    return Moment(draw(st.sampled_from(["first", "last"])), window, not outside)


edge_values = st.builds(
    EdgeValue, st.sampled_from(["first", "last"]), st.sampled_from(["colour", "$hour"]), timeless, st.booleans()
)
eaches = st.one_of(
    st.none(), st.none(), st.builds(Each, st.just("lines"), st.lists(entry_clauses, max_size=1).map(tuple))
)
dids = st.builds(Did, names, wheres, eaches, st.one_of(amounts(), amounts(), edge_moments(), edge_values))
steps = st.builds(Step, names, wheres)


@st.composite
def sequences(draw: st.DrawFn) -> Sequence:
    negated = draw(st.booleans())
    short: list[Length | None] = [None, Days(1), Days(2), Hours(1), Hours(24)]
    long: list[Length] = [Days(3), Days(7), Days(30), Days(90), Hours(72)]
    within, waited = draw(st.sampled_from(short)), None
    if negated and draw(st.booleans()):
        within, waited = None, within
    during = draw(st.sampled_from(long))
    return Sequence(
        draw(steps), draw(steps), negated, within, waited, draw(st.sampled_from([None, "colour", "$hour"])), during
    )


date_parts = st.one_of(
    st.builds(Anniversary, st.integers(0, 5), st.integers(0, 2)),
    bounds.map(Years),
    st.builds(FromToday, st.sampled_from([None, -3, 0]), st.sampled_from([0, 2])),
)
traits = st.one_of(
    st.builds(Trait, st.just("city"), timeless, st.booleans()),
    st.builds(Trait, st.just("born"), date_parts, st.booleans()),
)
held = st.one_of(
    st.builds(Tag, st.just("vip"), st.one_of(st.none(), timeless), st.booleans()),
    st.builds(Score, st.just("price_sensitive"), bounds),
    st.just(Stage(("lost", "new"))),
    st.just(Tier(("gold",))),
    st.just(Segment("families")),
)
leaves: st.SearchStrategy[Condition] = st.one_of(dids, dids, dids, sequences(), sequences(), traits, held)
conditions: st.SearchStrategy[Condition] = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: All(tuple(parts))),
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: AnyOf(tuple(parts))),
        inner.map(Not),
    ),
    max_leaves=5,
)


def standings(traits: Mapping[str, Any]) -> st.SearchStrategy[Standing]:
    return st.builds(
        Standing,
        st.just(traits),
        st.sampled_from([{}, {"vip": True}, {"vip": "red"}]),
        st.sampled_from([{}, {"price_sensitive": SCALE}]),
        st.sampled_from([frozenset(), frozenset({"new"})]),
        st.sampled_from([frozenset(), frozenset({"gold"})]),
        st.sampled_from([frozenset(), frozenset({"families"})]),
        st.sampled_from(["", "Nowhere/None", "Asia/Tokyo", "America/Los_Angeles"]),
    )
