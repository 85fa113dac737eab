"""What of the evidence stands: after decisions, under the rules, without what is blocked or shared."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from typing import Literal, NamedTuple

import msgspec

from libs.people.identifiers import IdentifierRules, IdentifierType
from libs.runtime.clock import Micros
from services.identity.domain.decisions import BLOCKED, FORBIDDEN, LINKED, NOTHING, UNLINKED, Decisions, Register
from services.identity.domain.evidence import Evidence, Key, Pair, Sight, Together, pair

Mark = Literal["blocked", "shared"]
"""Why an identifier joins nobody: it names nobody, or too many."""


class Case(msgspec.Struct, frozen=True):
    """All that decides who is who; `screened` are the keys of the values that the rules block."""

    evidence: Evidence
    decisions: Decisions
    rules: IdentifierRules
    screened: frozenset[Key] = frozenset()

    def type_of(self, key: Key) -> IdentifierType | None:
        """The type of an identifier seen or decided about, if the rules have it and it names people."""
        seen = self.evidence.seen.get(key)
        return self.rules.personal.get(seen.type if seen else self.decisions.types.get(key, ""))

    def blocked(self) -> frozenset[Key]:
        """The identifiers that name nobody, by the rules or by decision."""
        decided = (key for key, register in self.decisions.blocked.items() if register.stands == BLOCKED)
        return self.screened.union(decided)

    def links(self) -> list[tuple[Pair, Register]]:
        """What was linked by hand, in the order decided."""
        linked = (link for link in self.decisions.links.items() if link[1].stands == LINKED)
        return sorted(linked, key=lambda link: (link[1], link[0]))

    def decided(self) -> AbstractSet[Key]:
        """The identifiers that are something by decision, also if they were never seen."""
        blocked = {key for key, register in self.decisions.blocked.items() if register.stands == BLOCKED}
        return blocked.union(*(both for both, _ in self.links()))

    def forbidden(self) -> list[Pair]:
        """The pairs that are never one person."""
        return [both for both, register in self.decisions.forbidden.items() if register.stands == FORBIDDEN]


class Standing(msgspec.Struct, frozen=True, gc=False):
    """A pair whose evidence stands, with its types; `since` is when it was unlinked, and then only later proofs do."""

    pair: Pair
    low: IdentifierType
    high: IdentifierType
    together: Together
    since: Micros | None = None

    def proofs(self) -> tuple[tuple[int, Sight], ...]:
        """The standing proofs of addresses, each with the side of the pair that it is of: a proof is always a new edge.

        Only an address can be bound: that a person logged in says nothing about whose machine it was at.
        """
        return tuple(
            (side, sight)
            for side, type_ in enumerate((self.low, self.high))
            if type_.strength == "contact"
            for sight in self.together.proofs[side]
            if self.since is None or sight.recorded_at > self.since
        )


class Withdrawn(NamedTuple):
    """A pair whose evidence does not stand, as the rules lack a type or a decision says so."""

    pair: Pair
    together: Together
    reason: Literal["UNKNOWN_TYPE", "UNLINKED"]


def stand(case: Case) -> tuple[list[Standing], list[Withdrawn]]:
    """The pairs that stand and those that do not."""
    unlinked = unlinks(case)
    types = case.rules.personal
    seen = case.evidence.seen
    standing: list[Standing] = []
    withdrawn: list[Withdrawn] = []
    for both, together in case.evidence.pairs.items():
        low, high = types.get(seen[both[0]].type), types.get(seen[both[1]].type)
        if low is None or high is None:
            withdrawn.append(Withdrawn(both, together, "UNKNOWN_TYPE"))
            continue
        one = Standing(both, low, high, together, unlinked.get(both) if unlinked else None)
        if one.since is not None and not one.proofs():
            withdrawn.append(Withdrawn(both, together, "UNLINKED"))
        else:
            standing.append(one)
    return standing, withdrawn


def unlinks(case: Case) -> dict[Pair, Micros]:
    """The pairs that decisions unlinked, and when.

    What is unlinked from an identifier is unlinked from its children too, the identifiers of a type with that parent
    that were seen with it, unless they have a decision of their own.
    """
    links, pairs = case.decisions.links, case.evidence.pairs
    unlinked = {both: register.recorded_at for both, register in links.items() if register.stands == UNLINKED}
    if not unlinked:
        return unlinked
    children = _children(case, {key for both in unlinked for key in both})
    for both, at in list(unlinked.items()):
        for parent, other in (both, both[::-1]):
            for child in children.get(parent, ()):
                covered = pair(child, other)
                decided = covered in links and links[covered].stands != NOTHING
                if covered in pairs and not decided:
                    unlinked[covered] = max(at, unlinked.get(covered, at))
    return unlinked


def _children(case: Case, parents: AbstractSet[Key]) -> dict[Key, list[Key]]:
    types, seen = case.rules.types, case.evidence.seen
    children: dict[Key, list[Key]] = {}
    if any(type_.parent for type_ in types.values()):
        for both in case.evidence.pairs:
            for parent, child in (both, both[::-1]):
                type_ = types.get(seen[child].type) if parent in parents else None
                if type_ is not None and type_.parent == seen[parent].type:
                    children.setdefault(parent, []).append(child)
    return children


def marks(standing: Sequence[Standing], blocked: AbstractSet[Key]) -> dict[Key, Mark]:
    """The identifiers that join nobody; right for those of which all pairs are given.

    A value is shared if more identifiers of one strong or contact type were seen directly with it than its type allows
    people. That looks at the evidence alone and not at who turns out to be who, so it can't hang on any order. Types
    are counted apart, because one person has a number in each shop; addresses count as well, because in many a shop the
    phone is the account.
    """
    met = Counter(_meetings(standing, blocked))
    found: dict[Key, Mark] = {key: "shared" for (key, _, people), count in met.items() if count > people}
    found.update(dict.fromkeys(blocked, "blocked"))
    return found


def _meetings(standing: Iterable[Standing], blocked: AbstractSet[Key]) -> Iterator[tuple[Key, str, int]]:
    """What may be shared, each with the type of an identifier that it met and the people that its type allows."""
    for one in standing:
        a, b = one.low, one.high
        if a.people is not None and b.strength != "weak" and one.pair[1] not in blocked:
            yield one.pair[0], b.name, a.people
        if b.people is not None and a.strength != "weak" and one.pair[0] not in blocked:
            yield one.pair[1], a.name, b.people
