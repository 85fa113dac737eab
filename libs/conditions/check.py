"""Holds a condition against what a tenant has names for, before it is published."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from collections.abc import Sequence as Several
from dataclasses import dataclass
from typing import Final, Literal, assert_never

from libs.conditions.comparisons import Test
from libs.conditions.said import nearest
from libs.conditions.tree import (
    HOUR_OF_DAY,
    SOURCE,
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
    Reference,
    Score,
    Segment,
    Sequence,
    Stage,
    Step,
    Tag,
    Tier,
    Trait,
)
from libs.conditions.type_rules import Fault, measure_fault, test_fault
from libs.conditions.vocabulary import Properties, ValueType, Vocabulary

Severity = Literal["error", "warning"]

MOST_TOLD: Final = 10
"""Findings; for each, a similar name is looked for."""

_ALWAYS: Final[Mapping[str, ValueType]] = {SOURCE: "string", HOUR_OF_DAY: "integer"}
"""What every event has, whatever its properties."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something to tell the author, at its path in the canonical document; a condition with an error can't be meant."""

    path: str
    message: str
    severity: Severity = "warning"
    kind: str = ""
    """What would have the unknown name: "event", "property", "trait", "tag", and whatever else can be read."""
    unknown: str = ""
    known: Collection[str] = ()
    """The names of which one may be meant by the unknown one."""


def told(findings: Several[Finding]) -> list[str]:
    """The first findings, a line each, with the known name that may be meant, and how many more there are."""
    lines = [f"{one.path}: {one.message}{_meant(one)}" for one in findings[:MOST_TOLD]]
    more = len(findings) - MOST_TOLD
    return [*lines, f"and {more:,} more"] if more > 0 else lines


def _meant(one: Finding) -> str:
    like = nearest(one.unknown, one.known)
    return f", did you mean {like!r}?" if like else ""


def check(condition: Condition, vocabulary: Vocabulary) -> list[Finding]:
    """What is doubtful (an unknown name) or wrong (a test that the type can't pass), in the order of the document."""
    return list(_Checker(vocabulary).condition(condition, ""))


@dataclass(frozen=True, slots=True)
class _Checker:
    vocabulary: Vocabulary

    def condition(self, condition: Condition, path: str) -> Iterator[Finding]:
        match condition:
            case All(parts) | AnyOf(parts):
                name = "all" if isinstance(condition, All) else "any"
                for index, part in enumerate(parts):
                    yield from self.condition(part, f"{_under(path, name)}[{index}]")
            case Not(Did() as did):
                yield from self._did(did, _under(path, "did_not"))
            case Not(part):
                yield from self.condition(part, _under(path, "not"))
            case Did():
                yield from self._did(condition, _under(path, "did"))
            case Sequence():
                yield from self._sequence(condition, _under(path, "sequence"))
            case Trait(name, test):
                place = _under(path, f"trait.{name}")
                yield from _typed(place, name, "trait", self.vocabulary.traits, test)
            case _:
                yield from self._reference(condition, path)

    def _did(self, did: Did, path: str) -> Iterator[Finding]:
        yield from self._step(did, path)
        inside = ""
        if did.each is not None:
            place = f"{path}.each.of" if did.each.clauses else f"{path}.each"
            yield from self._listed(did.events, did.each.property, place)
            inside = f"{did.each.property}[]."
            yield from self._clauses(did.events, did.each.clauses, f"{path}.each.where", inside)
        match did.test:
            case Amount(measure, of, _, per):
                if of is not None:
                    yield from self._property(did.events, of, f"{path}.{measure}.of", inside, measure_fault(measure))
                if per is not None:
                    yield from self._property(did.events, per, f"{path}.per", inside, measure_fault("distinct"))
            case EdgeValue(edge, of, test):
                yield from self._property(did.events, of, f"{path}.{edge}.of", inside, test_fault(test))
            case Moment():
                pass
            case _:
                assert_never(did.test)

    def _sequence(self, sequence: Sequence, path: str) -> Iterator[Finding]:
        other = "then_not" if sequence.negated else "then"
        for name, step in (("first", sequence.first), (other, sequence.other)):
            yield from self._step(step, f"{path}.{name}")
            if sequence.same is not None:
                fault = measure_fault("distinct")
                yield from self._property(step.events, sequence.same, f"{path}.same", "", fault)

    def _step(self, step: Step | Did, path: str) -> Iterator[Finding]:
        for index, event in enumerate(step.events):
            place = f"{path}.event" if len(step.events) == 1 else f"{path}.event[{index}]"
            yield from _known(place, event, "event", self.vocabulary.events)
        for index, clause in enumerate(step.where):
            place = f"{path}.where[{index}]"
            if isinstance(clause, Elements):
                yield from self._listed(step.events, clause.property, f"{place}.{clause.property}")
                place = f"{place}.{clause.property}.{clause.quantifier}"
                yield from self._clauses(step.events, clause.clauses, place, f"{clause.property}[].")
            else:
                yield from self._clause(step.events, clause, place, "")

    def _clauses(self, events: Several[str], clauses: Iterable[Clause], path: str, inside: str) -> Iterator[Finding]:
        for index, clause in enumerate(clauses):
            yield from self._clause(events, clause, f"{path}[{index}]", inside)

    def _clause(self, events: Several[str], clause: Clause, path: str, inside: str) -> Iterator[Finding]:
        yield from self._property(events, clause.property, f"{path}.{clause.property}", inside, test_fault(clause.test))

    def _listed(self, events: Several[str], name: str, path: str) -> Iterator[Finding]:
        yield from self._property(
            events, name, path, "", lambda type_: None if type_ in {"list", "any"} else "has no entries"
        )

    def _property(self, events: Several[str], name: str, path: str, inside: str, fault: Fault) -> Iterator[Finding]:
        if name in _ALWAYS:
            yield from _judged(path, name, _ALWAYS[name], fault)
            return
        described = [known for event in events if (known := self.vocabulary.events.get(event))]
        types = {type_ for known in described if (type_ := _type_of(inside + name, known)) is not None}
        if described and not types:
            names = {one.removeprefix(inside) for known in described for one in known if one.startswith(inside)}
            yield _unknown(path, name, "property", names)
        for type_ in sorted(types):
            yield from _judged(path, inside + name, type_, fault)

    def _reference(self, reference: Reference, path: str) -> Iterator[Finding]:
        vocabulary = self.vocabulary
        match reference:
            case Tag(key, None):
                yield from _known(_under(path, "tag"), key, "tag", vocabulary.tags)
            case Tag(key, test) if test is not None:
                yield from _typed(_under(path, f"tag.{key}"), key, "tag", vocabulary.tags, test)
            case Score(key):
                yield from _known(_under(path, f"score.{key}"), key, "score", vocabulary.scores)
            case Stage(keys):
                yield from _all_known(_under(path, "stage"), keys, "stage", vocabulary.stages)
            case Tier(keys):
                yield from _all_known(_under(path, "tier"), keys, "tier", vocabulary.tiers)
            case Segment(key):
                yield from _known(_under(path, "segment"), key, "segment", vocabulary.segments)
            case _:
                raise AssertionError(f"{reference} is no reference")


def _type_of(name: str, known: Properties) -> ValueType | None:
    """The type of a property, or of what lies within one: "cart.total" and "lines[].price" are at least possible."""
    if name in known:
        return known[name]
    if any(one.startswith(f"{name}[].") for one in known):
        return "list"
    for mark in ("[].", "."):
        outer, found, _ = name.partition(mark)
        inner_is_described = any(one.startswith(f"{outer}{mark}") for one in known)
        if found and not inner_is_described and known.get(outer) in {"any", "object", "list"}:
            return "any"
    return None


def _typed(path: str, name: str, what: str, known: Properties, test: Test) -> Iterator[Finding]:
    if name not in known:
        yield from _known(path, name, what, known)
    else:
        yield from _judged(path, name, known[name], test_fault(test))


def _judged(path: str, name: str, type_: ValueType, fault: Fault) -> Iterator[Finding]:
    found = fault(type_)
    if found is not None:
        message = f"{name} {found}: its type is {type_}"
        yield Finding(path, message, "warning" if type_ == "string" and "number" in found else "error")


def _all_known(path: str, names: Several[str], what: str, known: Collection[str]) -> Iterator[Finding]:
    for index, name in enumerate(names):
        yield from _known(path if len(names) == 1 else f"{path}[{index}]", name, what, known)


def _known(path: str, name: str, what: str, known: Collection[str]) -> Iterator[Finding]:
    if name not in known:
        yield _unknown(path, name, what, known)


def _unknown(path: str, name: str, what: str, known: Collection[str]) -> Finding:
    return Finding(path, f"no {what} {name!r} is known", kind=what, unknown=name, known=known)


def _under(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
