"""Reading a condition from a document: what YAML and JSON hold, as mappings, lists and scalars."""

from typing import Any, Final

from libs.conditions.numbers import ONCE, SCALE
from libs.conditions.reading_tests import BOUNDS, DATES, bound_of, dates_of, read_any_test, read_bound, read_test
from libs.conditions.said import Said
from libs.conditions.tree import (
    All,
    Amount,
    AnyOf,
    Clause,
    Condition,
    Did,
    Each,
    Edge,
    EdgeValue,
    Elements,
    Measure,
    Moment,
    Not,
    Quantifier,
    Score,
    Segment,
    Sequence,
    Stage,
    Step,
    Tag,
    Tier,
    Trait,
)
from libs.conditions.windows import EVER, Between, Days, Ever, Window
from libs.runtime.errors import TooLarge

DEEPEST: Final = 20
MOST_PARTS: Final = 500
LONGEST_SEQUENCE_DAYS: Final = 90
MOST_DISTINCT: Final = 900
"""The largest bound of a distinct; so few values, and a few more, are kept."""

_KINDS: Final = (
    *("all", "any", "not", "did", "did_not", "sequence"),
    *("trait", "tag", "score", "stage", "tier", "segment"),
)
_MEASURES: Final[tuple[Measure, ...]] = ("sum", "average", "distinct", "min", "max")
_EDGES: Final[tuple[Edge, ...]] = ("first", "last")
_QUANTIFIERS: Final[tuple[Quantifier, ...]] = ("any", "all")


def read_document(document: Any, path: str = "") -> Condition:
    """The condition that a document says.

    Raises `InvalidArgument` with the path inside the document, which `path` is put before, and `TooLarge`.
    """
    return read_said(Said(document, path))


def read_said(said: Said) -> Condition:
    """The condition that a part of a document says; raises `InvalidArgument` with the path, and `TooLarge`."""
    return _Reader().condition(said, 0)


class _Reader:
    __slots__ = ("parts",)

    def __init__(self) -> None:
        self.parts = 0

    def condition(self, said: Said, depth: int) -> Condition:  # noqa: C901, PLR0911, PLR0912  a case for each kind
        self.parts += 1
        if self.parts > MOST_PARTS:
            raise TooLarge("parts of the condition", self.parts, MOST_PARTS)
        if depth > DEEPEST:
            raise TooLarge("depth of the condition", depth, DEEPEST)
        said.fields(*_KINDS)
        kind, inner = said.only()
        match kind:
            case "all":
                return All(tuple(self.condition(one, depth + 1) for one in inner.items()))
            case "any":
                return AnyOf(tuple(self.condition(one, depth + 1) for one in inner.items()))
            case "not":
                return Not(self.condition(inner, depth + 1))
            case "did":
                return _did(inner)
            case "did_not":
                return Not(_did(inner))
            case "sequence":
                return _sequence(inner)
            case "trait":
                name, asked = inner.only() if isinstance(inner.value, dict) else (inner.text(), None)
                return Trait(name, *read_any_test(asked)) if asked else Trait(name)
            case "tag":
                name, asked = inner.only() if isinstance(inner.value, dict) else (inner.text(), None)
                return Tag(name, *read_test(asked)) if asked else Tag(name)
            case "score":
                name, asked = inner.only()
                return Score(name, read_bound(asked))
            case "stage":
                return Stage(inner.texts())
            case "tier":
                return Tier(inner.texts())
            case _:
                return Segment(inner.text())


def _did(said: Said) -> Did:
    fields = said.fields(
        *("event", "where", "each", "times", *_MEASURES, *_EDGES, "per", "within", *DATES), needs=("event",)
    )
    asked = [name for name in ("times", *_MEASURES, *_EDGES) if name in fields]
    if len(asked) > 1:
        fields[asked[1]].fail(f"stands beside {asked[0]}; one did asks one thing")
    name = asked[0] if asked else "times"
    each = read_each(fields["each"]) if "each" in fields else None
    events, where = fields["event"].texts(), read_where(fields.get("where"))
    for edge in _EDGES:
        if name == edge:
            for other in ("per", "within", *DATES):
                if other in fields:
                    fields[other].fail(f"says nothing beside {edge}; put it inside {edge}")
            return Did(events, where, each, _edge(edge, fields[edge]))
    window = _window(said, fields)
    per = fields["per"].text() if "per" in fields else None
    if per is not None and isinstance(window, Ever):
        fields["per"].fail("needs within, or from and to, because what is kept of each value is bounded by time")
    for measure in _MEASURES:
        if name == measure:
            return Did(events, where, each, _amount(measure, fields[measure], per, window))
    bound = read_bound(fields["times"]) if asked else ONCE
    return Did(events, where, each, Amount("count", None, bound, per, window))


def _amount(measure: Measure, said: Said, per: str | None, window: Window) -> Amount:
    fields = said.fields("of", *BOUNDS, needs=("of",))
    bound = bound_of(said, fields) if len(fields) > 1 else None
    if measure == "distinct":
        if per is not None:
            said.fail("can't be taken per value of another property")
        if bound is not None and max(bound.low or 0, bound.high or 0) > MOST_DISTINCT * SCALE:
            said.fail(f"can't be compared with more than {MOST_DISTINCT}: no more values are kept")
    return Amount(measure, fields["of"].text(), bound, per, window)


def _edge(edge: Edge, said: Said) -> Moment | EdgeValue:
    if isinstance(said.value, dict) and "of" in said.value:
        of, rest = said.entries()["of"].text(), said.without("of")
        return EdgeValue(edge, of, *read_test(rest)) if rest.value else EdgeValue(edge, of)
    fields = said.fields("of", "within", "not_within", *DATES)
    if "not_within" in fields:
        if len(fields) > 1:
            fields["not_within"].fail("stands alone")
        return Moment(edge, fields["not_within"].length(), inside=False)
    return Moment(edge, _window(said, fields))


def _window(said: Said, fields: Any) -> Window:
    dates = [name for name in DATES if name in fields]
    if "within" in fields:
        if dates:
            fields[dates[0]].fail("contradicts within: give one of them")
        length: Window = fields["within"].length()
        return length
    return Between(*dates_of(said, fields)) if dates else EVER


def _sequence(said: Said) -> Sequence:
    fields = said.fields("first", "then", "then_not", "within", "waited", "same", "during", needs=("first",))
    if ("then" in fields) == ("then_not" in fields):
        said.fail("needs then or then_not, and not both")
    negated = "then_not" in fields
    if "waited" in fields and not negated:
        fields["waited"].fail("says nothing beside then")
    if "waited" in fields and "within" in fields:
        fields["waited"].fail("contradicts within: give one of them")
    lengths = {
        name: fields[name].length(LONGEST_SEQUENCE_DAYS) for name in ("within", "waited", "during") if name in fields
    }
    during = lengths.get("during", Days(30))
    for name in ("within", "waited"):
        if negated and name in lengths and _hours(lengths[name]) >= _hours(during):
            fields[name].fail("is not shorter than during, so it can never have passed")
    return Sequence(
        first=_step(fields["first"]),
        other=_step(fields["then_not" if negated else "then"]),
        negated=negated,
        within=lengths.get("within"),
        waited=lengths.get("waited"),
        same=fields["same"].text() if "same" in fields else None,
        during=during,
    )


def _hours(length: Any) -> int:
    return length.days * 24 if isinstance(length, Days) else int(length.hours)


def _step(said: Said) -> Step:
    if isinstance(said.value, str | list):
        return Step(said.texts())
    fields = said.fields("event", "where", needs=("event",))
    return Step(fields["event"].texts(), read_where(fields.get("where")))


def read_each(said: Said) -> Each:
    """The entries of a list that are measured in place of an event; raises `InvalidArgument` with the path."""
    if isinstance(said.value, str):
        return Each(said.text())
    fields = said.fields("of", "where", needs=("of",))
    return Each(fields["of"].text(), _clauses(fields.get("where")))


def read_where(said: Said | None) -> tuple[Clause | Elements, ...]:
    """The clauses that events must meet; none where nothing is said. Raises `InvalidArgument` with the path."""
    if said is None:
        return ()
    if isinstance(said.value, dict):
        return tuple(_clause(name, one) for name, one in said.entries().items())
    return tuple(_clause(*one.only()) for one in said.items())


def _clauses(said: Said | None) -> tuple[Clause, ...]:
    clauses = []
    for one in read_where(said):
        if isinstance(one, Elements):
            assert said is not None
            said.fail(f"asks for entries of {one.property} inside another list")
        clauses.append(one)
    return tuple(clauses)


def _clause(name: str, said: Said) -> Clause | Elements:
    if isinstance(said.value, dict):
        for quantifier in _QUANTIFIERS:
            if quantifier in said.value:
                inner = said.fields(quantifier)[quantifier]
                return Elements(name, quantifier, _clauses(inner))
    return Clause(name, *read_test(said))
