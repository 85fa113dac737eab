"""Writing a condition as the document that says it: the canonical form, which `read_document` reads back unchanged."""

from collections.abc import Sequence as Several
from typing import Any, assert_never

from libs.conditions.comparisons import (
    Anniversary,
    Contains,
    Dated,
    EndsWith,
    Exists,
    FromToday,
    InBound,
    OneOf,
    StartsWith,
    Test,
    Years,
)
from libs.conditions.numbers import Bound, shown
from libs.conditions.tree import (
    All,
    Amount,
    AnyOf,
    Clause,
    Condition,
    Did,
    EdgeValue,
    Elements,
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
from libs.conditions.windows import Between, Days, Ever, Hours, Window, write_day, write_length

Document = dict[str, Any]


def write_document(condition: Condition) -> Document:  # noqa: C901, PLR0911, PLR0912  a case for each kind
    """The document that says a condition; what is so anyway is left out."""
    match condition:
        case All(parts):
            return {"all": [write_document(part) for part in parts]}
        case AnyOf(parts):
            return {"any": [write_document(part) for part in parts]}
        case Not(Did() as did):
            return {"did_not": _did(did)}
        case Not(part):
            return {"not": write_document(part)}
        case Did():
            return {"did": _did(condition)}
        case Sequence():
            return {"sequence": _sequence(condition)}
        case Trait(name, test, negated):
            return {"trait": name if isinstance(test, Exists) and not negated else {name: _test(test, negated)}}
        case Tag(key, test, negated):
            return {"tag": key if test is None else {key: _test(test, negated)}}
        case Score(key, bound):
            return {"score": {key: _bound(bound)}}
        case Stage(keys):
            return {"stage": _one_or_more(keys)}
        case Tier(keys):
            return {"tier": _one_or_more(keys)}
        case Segment(key):
            return {"segment": key}
        case _:
            assert_never(condition)


def _did(did: Did) -> Document:
    said: Document = {"event": _one_or_more(did.events), **_where(did.where)}
    if did.each is not None:
        each = did.each
        said["each"] = {"of": each.property, **_where(each.clauses)} if each.clauses else each.property
    match did.test:
        case Amount(measure, of, bound, per, window):
            bounds = _bound(bound) if bound is not None else {}
            said |= {"times": bounds} if measure == "count" else {measure: {"of": of, **bounds}}
            if per is not None:
                said["per"] = per
            said |= _window(window)
        case Moment(edge, window, inside):
            said[edge] = _window(window) if inside else {"not_within": _window(window)["within"]}
        case EdgeValue(edge, of, test, negated):
            asked = {} if isinstance(test, Exists) and not negated else _test(test, negated)
            said[edge] = {"of": of, **asked}
        case _:
            assert_never(did.test)
    return said


def _sequence(sequence: Sequence) -> Document:
    said: Document = {
        "first": _step(sequence.first),
        "then_not" if sequence.negated else "then": _step(sequence.other),
    }
    for name, length in (("within", sequence.within), ("waited", sequence.waited)):
        if length is not None:
            said[name] = write_length(length)
    if sequence.same is not None:
        said["same"] = sequence.same
    return {**said, "during": write_length(sequence.during)}


def _step(step: Step) -> Document:
    return {"event": _one_or_more(step.events), **_where(step.where)}


def _where(clauses: Several[Clause | Elements]) -> Document:
    return {"where": [_clause(one) for one in clauses]} if clauses else {}


def _clause(clause: Clause | Elements) -> Document:
    match clause:
        case Clause(name, test, negated):
            return {name: _test(test, negated)}
        case Elements(name, quantifier, clauses):
            return {name: {quantifier: [_clause(one) for one in clauses]}}
        case _:
            assert_never(clause)


def _test(test: Test, negated: bool) -> Document:  # noqa: C901, PLR0911  a case for each kind
    match test:
        case OneOf(values):
            names = ("not_in", "is_not") if negated else ("in", "is")
            return {names[0]: list(values)} if len(values) > 1 else {names[1]: values[0]}
        case Exists():
            return {"exists": not negated}
        case InBound(bound):
            return _bound(bound)
        case Contains(text):
            return {"not_contains" if negated else "contains": text}
        case StartsWith(text):
            return {"starts_with": text}
        case EndsWith(text):
            return {"ends_with": text}
        case Dated(first, last):
            return _dates(first, last)
        case Anniversary(before, after):
            return {"anniversary": {"days_before": before, "days_after": after}}
        case Years(bound):
            return {"years": _bound(bound)}
        case FromToday(low, high):
            ends = (("at_least", low), ("at_most", high))
            return {"from_today": {name: end for name, end in ends if end is not None}}
        case _:
            assert_never(test)


def _bound(bound: Bound) -> Document:
    if bound.low is not None and bound.low == bound.high:
        return {"equals": shown(bound.low)}
    said: Document = {}
    if bound.low is not None:
        said["more_than" if bound.low_open else "at_least"] = shown(bound.low)
    if bound.high is not None:
        said["less_than" if bound.high_open else "at_most"] = shown(bound.high)
    return said


def _window(window: Window) -> Document:
    match window:
        case Ever():
            return {}
        case Days() | Hours():
            return {"within": write_length(window)}
        case Between(first, last):
            return _dates(first, last)
        case _:
            assert_never(window)


def _dates(first: int | None, last: int | None) -> Document:
    ends = (("from", first), ("to", last))
    return {name: write_day(day) for name, day in ends if day is not None}


def _one_or_more(texts: Several[str]) -> str | list[str]:
    return texts[0] if len(texts) == 1 else list(texts)
