"""The condition tree: what tags, segments and journeys ask about a person.

    Condition
    ├── All, AnyOf, Not          of other conditions
    ├── Did                      events: how often, how much, when first and last
    ├── Sequence                 one event, then (or then not) another
    ├── Trait                    what is said of the person
    └── Tag, Score, Stage, Tier, Segment     what is held of the person already

A tree has no clock and no zone: both are handed to whoever answers it. Its parts are values: equal trees are equal.
`did_not` is `Not(Did(…))`.
"""

from typing import Final, Literal

import msgspec

from libs.conditions.comparisons import EXISTS, Test, Timeless
from libs.conditions.numbers import ONCE, Bound
from libs.conditions.windows import EVER, Days, Length, Window

Measure = Literal["count", "sum", "average", "distinct", "min", "max"]
Quantifier = Literal["any", "all"]
Edge = Literal["first", "last"]

SOURCE: Final = "$source"
"""The property under which clauses find the source of an event."""

HOUR_OF_DAY: Final = "$hour"
"""The property under which they find its hour of the tenant's day, 0 to 23."""


class Clause(msgspec.Struct, frozen=True, gc=False):
    """One property passes a test, or with `negated` does not; of a list, one entry that passes is enough."""

    property: str
    test: Timeless
    negated: bool = False


class Elements(msgspec.Struct, frozen=True, gc=False):
    """Of the entries of a list, any one meets all clauses, or all do and there is one."""

    property: str
    quantifier: Quantifier
    clauses: tuple[Clause, ...]


class Each(msgspec.Struct, frozen=True, gc=False):
    """The entries of a list are what is measured, in place of the event; only those that meet all clauses."""

    property: str
    clauses: tuple[Clause, ...] = ()


class Amount(msgspec.Struct, frozen=True, gc=False):
    """A measure over the events of a window lies within a bound; with no bound, there is something to measure.

    `of` names the property measured (all but a count have one). With `per`, the measure is taken for each value of that
    property by itself, and one value is enough. Without events a count, a sum and a distinct are 0, the others nothing.
    """

    measure: Measure = "count"
    of: str | None = None
    bound: Bound | None = ONCE
    per: str | None = None
    window: Window = EVER


class Moment(msgspec.Struct, frozen=True, gc=False):
    """There is a first, or last, time and it lies in a window, or with `inside` false outside."""

    edge: Edge
    window: Window = EVER
    inside: bool = True


class EdgeValue(msgspec.Struct, frozen=True, gc=False):
    """A property as the first, or last, event had it passes a test, or with `negated` does not.

    Only events that have the property count, and of a list its first entry. Of several events of one moment the
    smallest text is the first, and the greatest the last.
    """

    edge: Edge
    of: str
    test: Timeless = EXISTS
    negated: bool = False


class Did(msgspec.Struct, frozen=True, gc=False):
    """Events of one of these names that meet all clauses pass a test."""

    events: tuple[str, ...]
    where: tuple[Clause | Elements, ...] = ()
    each: Each | None = None
    test: Amount | Moment | EdgeValue = Amount()


class Step(msgspec.Struct, frozen=True, gc=False):
    """An event of one of these names that meets all clauses."""

    events: tuple[str, ...]
    where: tuple[Clause | Elements, ...] = ()


class Sequence(msgspec.Struct, frozen=True, gc=False):
    """One event, and later another; or with `negated`, no other.

    `during` is where the first event may lie. `within` is how long after the first the other comes; negated, how long
    it stays away, all of which must have passed, and what comes after that is too late to matter. `waited`, only for a
    negated one and in place of `within`, is how long ago the first must be at least while the other has stayed away to
    this moment. With `same` both events have the same value of that property. What happens at the very same moment has
    no order, so neither is after the other.
    """

    first: Step
    other: Step
    negated: bool = False
    within: Length | None = None
    waited: Length | None = None
    same: str | None = None
    during: Length = Days(30)


class Trait(msgspec.Struct, frozen=True, gc=False):
    """What is said of the person under a name passes a test, or with `negated` does not."""

    name: str
    test: Test = EXISTS
    negated: bool = False


class Tag(msgspec.Struct, frozen=True, gc=False):
    """The person has a tag, and its value passes a test if there is one (with `negated`, does not pass)."""

    key: str
    test: Timeless | None = None
    negated: bool = False


class Score(msgspec.Struct, frozen=True, gc=False):
    """The person has a score, and it lies within a bound."""

    key: str
    bound: Bound


class Stage(msgspec.Struct, frozen=True, gc=False):
    """The person is in one of these stages of the lifecycle."""

    keys: tuple[str, ...]


class Tier(msgspec.Struct, frozen=True, gc=False):
    """The person is in one of these tiers."""

    keys: tuple[str, ...]


class Segment(msgspec.Struct, frozen=True, gc=False):
    """The person is a member of a segment."""

    key: str


class Not(msgspec.Struct, frozen=True, gc=False):
    """The condition does not hold."""

    part: "Condition"


class All(msgspec.Struct, frozen=True, gc=False):
    """Every part holds."""

    parts: "tuple[Condition, ...]"


class AnyOf(msgspec.Struct, frozen=True, gc=False):
    """At least one part holds."""

    parts: "tuple[Condition, ...]"


Reference = Tag | Score | Stage | Tier | Segment
Leaf = Did | Sequence | Trait | Reference
Condition = All | AnyOf | Not | Leaf
