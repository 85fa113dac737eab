"""What joins or parts people, in plain words: one line each, with the facts that somebody would ask for next."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Final, assert_never

import msgspec

from libs.people.identifiers import DAY, IdentifierRules
from libs.people.spans import AtTimes, ByIdentifier, BySession, Cut
from libs.runtime.clock import SECOND, Micros
from services.identity.domain.evidence import Key, Pair, pair
from services.identity.domain.explanation import Apart, Step
from services.identity.domain.person import Identifier
from services.identity.domain.refusal import Refusal

_HOUR: Final = 3600 * SECOND


class Said(msgspec.Struct, frozen=True, gc=False):
    """Who decided something, and what they wrote."""

    by: str = ""
    note: str = ""

    def __str__(self) -> str:
        who = f" by {self.by}" if self.by else ""
        return f"{who}: {self.note}" if self.note else who


NOTHING_SAID: Final = Said()


class Sayings(msgspec.Struct, frozen=True):
    """What was said with each decision that stands."""

    links: dict[Pair, Said] = {}
    forbidden: dict[Pair, Said] = {}
    blocked: dict[Key, Said] = {}


class Words:
    """Speaks of identifiers by their values."""

    def __init__(self, known: Mapping[Key, Identifier], rules: IdentifierRules, sayings: Sayings) -> None:
        self._known, self._rules, self._sayings = known, rules, sayings

    def name(self, key: Key) -> str:
        """An identifier as people know it."""
        return str(self._known.get(key) or Identifier(key))

    def names(self, keys: Sequence[Key]) -> str:
        """Several."""
        return " and ".join(map(self.name, keys))

    def refusal(self, refusal: Refusal) -> str:
        """Why an edge joins nobody."""
        match refusal.reason:
            case "FORBIDDEN":
                return "; ".join(self.forbidden(pair(*both)) for both in pairwise(refusal.identifiers))
            case "TOO_MANY":
                return f"one person may have {self._limit(refusal.type)}"
            case "SHARED":
                return "; ".join(map(self.shared, refusal.identifiers))
            case "BLOCKED":
                return "; ".join(map(self.blocked, refusal.identifiers))
            case "UNLINKED":
                return f"unlinked{self._sayings.links.get(refusal.pair, NOTHING_SAID)}"
            case "UNKNOWN_TYPE":
                return f"the rules have no type for people of {self._without_type(refusal)}"
            case _:
                assert_never(refusal.reason)

    def shared(self, key: Key) -> str:
        """Why an identifier is shared."""
        type_ = self._rules.types.get(self._known[key].type) if key in self._known else None
        most = f"more than the {type_.people} people" if type_ and type_.people else "more people than"
        return f"{self.name(key)} was seen with {most} that its type allows, and joins nobody"

    def blocked(self, key: Key) -> str:
        """Why an identifier names nobody."""
        decided = self._sayings.blocked.get(key)
        return f"{self.name(key)} names nobody, {'by the rules' if decided is None else f'decided{decided}'}"

    def step(self, step: Step) -> str:
        """What a step of a chain rests on."""
        match step.how:
            case "seen":
                return f"seen together {_times(step.count)}"
            case "verified":
                return f"seen together {_times(step.count)}, with proof"
            case "linked":
                return f"linked{self._sayings.links.get(pair(step.a[0], step.b[0]), NOTHING_SAID)}"
            case "logged_in":
                return f"{self.name(step.b[0])} was logged in within that session of {self.name(step.a[0])}"
            case "beside":
                return f"{self.name(step.b[0])} came along with {self.name(step.a[0])}, which names nobody itself"
            case _:
                assert_never(step.how)

    def forbidden(self, both: Pair) -> str:
        """That two are never one person."""
        return f"{self.names(both)} are never one person, decided{self._sayings.forbidden.get(both, NOTHING_SAID)}"

    def cut(self, key: Key, cut: Cut) -> str:
        """Why an identifier's history is in parts."""
        match cut:
            case BySession():
                return f"{self.shared(key)}: each of its sessions is for itself"
            case ByIdentifier():
                return f"{self.blocked(key)}: each of its parts belongs to what came along with it"
            case AtTimes():
                return f"{self.name(key)} passed on: from each of these times it is another person's"
            case _:
                assert_never(cut)

    def apart(self, one: Key, other: Key, why: Apart) -> str:
        """Why two identifiers are two people."""
        told = f"{self.name(one)} and {self.name(other)} are two people: "
        if why.forbidden:
            return f"{told}{self.forbidden(why.forbidden[0])}"
        if why.refused:
            return f"{told}between {self.names(why.refused[0].pair)}, {self.refusal(why.refused[0])}"
        return f"{told}nothing that was seen leads from one to the other"

    def one_person(self, one: Key, other: Key, steps: int) -> str:
        """That two identifiers are one person."""
        if one == other:
            return f"both are {self.name(one)}"
        return (
            f"{self.name(one)} and {self.name(other)} are one person: {_counted(steps, 'step')} from one to the other"
        )

    def still_one(self, one: Key, other: Key, steps: Sequence[Step]) -> str:
        """That two are one person all the same."""
        chain = "; ".join(f"{self.names((step.a[0], step.b[0]))}: {self.step(step)}" for step in steps)
        return f"{self.name(one)} and {self.name(other)} are still one person ({chain})"

    def alone(self, key: Key) -> str:
        """That nothing belongs to an identifier."""
        return f"{self.name(key)} is a person alone: nothing else leads to it"

    def whole(self, key: Key, members: int, evidence: int) -> str:
        """What holds a person together."""
        counted = f"{members:,} identifiers, held together by {_counted(evidence, 'piece')} of evidence"
        return f"{self.name(key)} is a person of {counted}"

    def _limit(self, name: str) -> str:
        type_ = self._rules.types.get(name)
        if type_ is None or type_.per_person is None:
            return f"no more {name}"
        limit = type_.per_person
        within = f" within {_duration(limit.within)}" if limit.within else ""
        return f"at most {limit.at_most} {name}{within}"

    def _without_type(self, refusal: Refusal) -> str:
        def lacks(key: Key) -> bool:
            type_ = self._rules.types.get(self._known[key].type) if key in self._known else None
            return type_ is None or type_.kind != "person"

        return self.names([key for key in refusal.pair if lacks(key)] or refusal.pair)


def _times(count: int) -> str:
    return {0: "", 1: "once", 2: "twice"}.get(count, f"{count:,} times")


def _counted(count: int, one: str) -> str:
    return f"{count:,} {one}" + ("" if count == 1 else "s")


def _duration(micros: Micros) -> str:
    return f"{micros // DAY} days" if micros % DAY == 0 else f"{micros // _HOUR} hours"
