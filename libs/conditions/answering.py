"""A condition compiled into a function from what is seen of a person to its answer."""

from typing import assert_never

from libs.conditions.amounts import reader_of_amount
from libs.conditions.calendar import Zones
from libs.conditions.holding import refers, trait_changes, trait_holds
from libs.conditions.moments import reader_of_edge_value, reader_of_moment
from libs.conditions.seen import NO, YES, Reader, Result, Seen, either
from libs.conditions.sequences import reader_of_sequence
from libs.conditions.tree import All, Amount, AnyOf, Condition, Did, EdgeValue, Moment, Not, Sequence, Trait


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
    def read(seen: Seen) -> Result:
        holds = trait_holds(trait, seen.standing, seen.now, zones)
        return Result(holds, trait_changes(trait, seen.standing, seen.now, zones))

    return read


def _some(parts: list[Reader]) -> Reader:
    def read(seen: Seen) -> Result:
        results = []
        for part in parts:
            result = part(seen)
            if result.holds and result.changes_at is None:
                return YES
            results.append(result)
        return Result(*either(results))

    return read


def _every(parts: list[Reader]) -> Reader:
    def read(seen: Seen) -> Result:
        failing, soonest, latest = False, None, 0
        for part in parts:
            result = part(seen)
            changes_at = result.changes_at
            if result.holds:
                if changes_at is not None and (soonest is None or changes_at < soonest):
                    soonest = changes_at
            elif changes_at is None:
                return NO
            else:  # as long as one part goes on to fail, all do: the last of them decides
                failing, latest = True, max(latest, changes_at)
        return Result(holds=False, changes_at=latest) if failing else Result(True, soonest)

    return read


def _opposite(part: Reader) -> Reader:
    def read(seen: Seen) -> Result:
        result = part(seen)
        return Result(not result.holds, result.changes_at)

    return read
