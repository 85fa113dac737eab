"""A condition compiled into a function from what is seen of a person to its answer."""

from typing import assert_never

from libs.conditions.amounts import reader_of_amount
from libs.conditions.calendar import Zones
from libs.conditions.comparisons import Anniversary, FromToday, Years
from libs.conditions.filters import value_check
from libs.conditions.holding import refers, trait_changes, trait_holds
from libs.conditions.moments import reader_of_edge_value, reader_of_moment
from libs.conditions.seen import NO, YES, Reader, Seen, either
from libs.conditions.sequences import reader_of_sequence
from libs.conditions.standing import Answer
from libs.conditions.tree import All, Amount, AnyOf, Clause, Condition, Did, EdgeValue, Moment, Not, Sequence, Trait


def reader_of(condition: Condition, zones: Zones) -> Reader:  # noqa: PLR0911  a case for each kind
    """The function that answers a condition."""
    match condition:
        case All(parts):
            return _every([reader_of(part, zones) for part in parts])
        case AnyOf(parts):
            return _some([reader_of(part, zones) for part in parts])
        case Not(part):
            return _opposite(reader_of(part, zones))
        case Did():
            return _did(condition, zones)
        case Sequence():
            return reader_of_sequence(condition, zones.tenant)
        case Trait():
            return _trait(condition, zones)
        case _:
            return lambda seen: YES if refers(condition, seen.standing, zones) else NO


def _did(did: Did, zones: Zones) -> Reader:
    match did.test:
        case Amount() as amount:
            return reader_of_amount(did, amount, zones.tenant)
        case Moment() as moment:
            return reader_of_moment(did, moment, zones.tenant)
        case EdgeValue() as value:
            return reader_of_edge_value(did, value, zones.tenant)
        case _:
            assert_never(did.test)


def _trait(trait: Trait, zones: Zones) -> Reader:
    name, test = trait.name, trait.test
    if isinstance(test, Anniversary | Years | FromToday):

        def read(seen: Seen) -> Answer:
            holds = trait_holds(trait, seen.standing, seen.now, zones)
            return Answer(holds, trait_changes(trait, seen.standing, seen.now, zones))

        return read
    passes = value_check(Clause(name, test, trait.negated), zones.tenant)
    return lambda seen: YES if passes(seen.standing.traits.get(name)) else NO


def _some(parts: list[Reader]) -> Reader:
    def read(seen: Seen) -> Answer:
        answers = []
        for part in parts:
            answer = part(seen)
            if answer.holds and answer.changes_at is None:
                return YES
            answers.append(answer)
        return Answer(*either(answers))

    return read


def _every(parts: list[Reader]) -> Reader:
    def read(seen: Seen) -> Answer:
        failing, soonest, latest = False, None, 0
        for part in parts:
            answer = part(seen)
            changes_at = answer.changes_at
            if answer.holds:
                if changes_at is not None and (soonest is None or changes_at < soonest):
                    soonest = changes_at
            elif changes_at is None:
                return NO
            else:  # as long as one part goes on to fail, all do: the last of them decides
                failing, latest = True, max(latest, changes_at)
        return Answer(holds=False, changes_at=latest) if failing else Answer(True, soonest)

    return read


def _opposite(part: Reader) -> Reader:
    def read(seen: Seen) -> Answer:
        answer = part(seen)
        return Answer(not answer.holds, answer.changes_at)

    return read
