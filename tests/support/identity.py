"""People as tests speak of them: `seen("u1", "p1")`, `link("u1", "u2")`, and who they turn out to be.

An identifier's name tells its type by its first letter. Each statement is recorded an hour after the one before, and
happened then unless it says on which day.
"""

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Final

import msgspec

from libs.people.identifiers import DAY, DEFAULT_RULES, IdentifierRules, SharedPolicy
from libs.people.identity_map import IdentityMap
from libs.people.keys import KEY_BYTES
from libs.people.spans import WHOLE, Span, in_session, own_id, since
from libs.runtime.clock import SECOND, Micros
from services.identity.domain.changes import IdentifierMoved, IdentityChange
from services.identity.domain.decisions import (
    Allowed,
    Blocked,
    Forbidden,
    IdentityDecision,
    Linked,
    LinkLeft,
    Of,
    Unblocked,
    Unlinked,
    evolve,
)
from services.identity.domain.evidence import Evidence, Key, Named, Sighting, combine, observed, pair
from services.identity.domain.identities import LARGEST_NEIGHBOURHOOD, Identities
from services.identity.domain.knowledge import Knowledge, News
from services.identity.domain.resolution import Resolution, resolve
from services.identity.domain.standing import Case

HOUR: Final[Micros] = 3600 * SECOND
TYPES: Final = {
    "u": "user_id",
    "m": "member_no",
    "n": "unionid",
    "w": "external_userid",
    "o": "openid",
    "p": "phone",
    "e": "email",
    "d": "device_id",
    "k": "device_id",  # a kiosk
    "a": "anonymous_id",
    "c": "cookie",
    "t": "push_token",
}


class Retracted(msgspec.Struct, frozen=True):
    """An interaction was taken back."""

    event_id: bytes


class RulesPublished(msgspec.Struct, frozen=True):
    """The tenant goes by other rules; the highest version stands."""

    rules: IdentifierRules
    screened: frozenset[Key] = frozenset()


Input = Sighting | Retracted | RulesPublished | IdentityDecision
Statement = Callable[[Micros, bytes], Input]
AboutTwo = Callable[[str, str], Statement]


def key(name: str) -> Key:
    """A name that can be read where a test fails, as long as a key."""
    return name.encode().ljust(KEY_BYTES, b".")


def name(key_: Key) -> str:
    return key_.rstrip(b".").decode()


def of(one: str) -> Of:
    return Of(key(one), TYPES[one[0]])


def seen(
    *names: str, day: float | None = None, verified: str = "", session: str = "", login: bool = False, source: str = ""
) -> Statement:
    """Identifiers came together in one interaction; `verified` are those of them that came with proof."""

    def say(now: Micros, event_id: bytes) -> Sighting:
        named = tuple(Named(key(one), TYPES[one[0]], one in verified.split()) for one in names)
        at = now if day is None else round(day * DAY)
        return Sighting(event_id, at, now, named, source, session, login)

    return say


def logged_in(*names: str, session: str = "", day: float | None = None) -> Statement:
    return seen(*names, session=session, day=day, login=True)


def _about_two(kind: type[Linked | Unlinked | LinkLeft | Forbidden | Allowed]) -> AboutTwo:
    return lambda a, b: lambda now, event_id: kind(event_id, now, a=of(a), b=of(b))


link, unlink, leave = _about_two(Linked), _about_two(Unlinked), _about_two(LinkLeft)
forbid, allow = _about_two(Forbidden), _about_two(Allowed)


def block(one: str) -> Statement:
    return lambda now, event_id: Blocked(event_id, now, identifier=of(one))


def unblock(one: str) -> Statement:
    return lambda now, event_id: Unblocked(event_id, now, identifier=of(one))


def rules(version: int = 1, shared: SharedPolicy = "by_session", **changes: Any) -> IdentifierRules:
    """The shipped rules with other fields for some types, by type name."""
    types = [replace(type_, **changes.get(type_.name, {})) for type_ in DEFAULT_RULES.types.values()]
    return IdentifierRules.of(version, types, shared)


def publish(rules_: IdentifierRules, *, screened: str = "") -> Statement:
    """Other rules; the names in `screened` are the values that they block."""
    blocked = frozenset(key(one) for one in screened.split())
    return lambda _now, _event_id: RulesPublished(rules_, blocked)


def inputs(*statements: Statement, first: int = 0) -> list[Input]:
    """Statements in the order in which they are recorded."""
    return [say((2000 + place) * HOUR, f"event{place}".encode()) for place, say in enumerate(statements, first)]


class World:
    """An `Identities` that is told inputs in any order, any number of times, and what everybody hears of it."""

    def __init__(self, rules_: IdentifierRules = DEFAULT_RULES, largest: int = LARGEST_NEIGHBOURHOOD) -> None:
        self.identities = Identities(rules_, largest=largest)
        self.heard: list[IdentityChange] = []
        self._sightings: dict[bytes, Sighting] = {}
        self._retracted: set[bytes] = set()
        self._said = 0

    def say(self, *statements: Statement) -> list[IdentityChange]:
        """Learn statements one after the other; returns what is heard of them."""
        before = len(self.heard)
        for one in inputs(*statements, first=self._said):
            self.tell([one])
        self._said += len(statements)
        return self.heard[before:]

    def tell(self, told: Iterable[Input]) -> None:
        """Learn a batch."""
        evidence, decisions, published = Evidence(), [], None
        for one in told:
            match one:
                case Sighting():
                    if one.event_id not in self._sightings and one.event_id not in self._retracted:
                        self._sightings[one.event_id] = one
                        combine(evidence, observed(one))
                case Retracted():
                    self._retracted.add(one.event_id)
                case RulesPublished():
                    if one.rules.version > max(
                        self.identities.rules.version, published.rules.version if published else 0
                    ):
                        published = one
                case _:
                    decisions.append(one)
        if published is not None:
            self.heard += self.identities.publish(published.rules, published.screened, b"rules")
        self.heard += self.identities.observe(evidence, b"cause")
        self.heard += self.identities.learn(News(decisions=tuple(decisions)), b"decision")
        for event_id in self._retracted & self._sightings.keys():
            self.heard += self.identities.learn(self._without(event_id), b"retraction")

    def settled(self) -> Resolution:
        """Everything resolved, the slow lane included."""
        self.heard += self.identities.settle()
        return self.identities.resolved.all

    def _without(self, event_id: bytes) -> News:
        gone = observed(self._sightings.pop(event_id))
        left = Evidence()
        for sighting in self._sightings.values():
            combine(left, observed(sighting))
        return News(
            {one: left.seen.get(one) for one in gone.seen},
            {both: left.pairs.get(both) for both in gone.pairs},
            {login: left.logins.get(login) for login in gone.logins},
        )


def case_of(told: Iterable[Input], rules_: IdentifierRules = DEFAULT_RULES) -> Case:
    """What inputs amount to, folded at once."""
    told = list(told)
    retracted = {one.event_id for one in told if isinstance(one, Retracted)}
    evidence, knowledge = Evidence(), Knowledge()
    for sighting in {one.event_id: one for one in told if isinstance(one, Sighting)}.values():
        if sighting.event_id not in retracted:
            combine(evidence, observed(sighting))
    published = RulesPublished(rules_)
    for one in told:
        if isinstance(one, RulesPublished):
            published = max(published, one, key=lambda each: each.rules.version)
        elif not isinstance(one, Sighting | Retracted):
            evolve(knowledge.decisions, one)
    return Case(evidence, knowledge.decisions, published.rules, published.screened)


def map_of(heard: Iterable[IdentityChange]) -> IdentityMap:
    known = IdentityMap()
    for one in heard:
        if isinstance(one, IdentifierMoved):
            known.move(one.identifier, one.span, one.to_person, one.version)
    return known


class IdentityScenario:
    """Given what was seen, when something else is, then these are the people: and so in every order."""

    def __init__(self) -> None:
        self.statements: list[Statement] = []
        self.rules = DEFAULT_RULES

    def given(self, *statements: Statement, rules: IdentifierRules | None = None) -> None:
        self.rules = rules or self.rules
        self.statements += statements

    def when(self, *statements: Statement) -> None:
        self.statements += statements

    def anew(self) -> Resolution:
        """Who is who by all that was said so far."""
        return resolve(case_of(inputs(*self.statements), self.rules))

    def then(self, *people: str, shared: str = "", refused: dict[str, str] | None = None) -> Resolution:
        """Each text is a person's places, the founding one first: `u1 p1`, a span as `p1@9` (day) or `k1/s1`.

        `refused` maps pairs such as `u1 d1` to reasons. Who is a person alone need not be listed.
        """
        told = inputs(*self.statements)
        found = resolve(case_of(told, self.rules))
        expected = {" ".join([each.split()[0], *sorted(each.split()[1:])]) for each in people}
        assert spoken(found) == expected, f"found {sorted(spoken(found))}, not {sorted(expected)}"
        assert {name(one) for one, mark in found.marks.items() if mark == "shared"} == set(shared.split())
        if refused is not None:
            assert {_two(pair(*map(key, two.split()))): reason for two, reason in refused.items()} == {
                _two(both): those[-1].reason for both, those in found.refused.items()
            }
        for seed in range(3):
            self._also_in_another_order(told, found, random.Random(seed))
        return found

    def _also_in_another_order(self, told: list[Input], found: Resolution, chance: random.Random) -> None:
        world = World(self.rules)
        shuffled = chance.sample(told, len(told)) if chance.random() > 0.4 else told
        for batch in batches(shuffled, chance):
            world.tell(batch)
        assert world.settled() == found
        heard = map_of(chance.sample(world.heard, len(world.heard)))
        assert_map_says(heard, found)


def batches(told: Sequence[Input], chance: random.Random) -> Iterator[Sequence[Input]]:
    start = 0
    while start < len(told):
        end = start + chance.randint(1, 4)
        yield told[start:end]
        start = end


def assert_map_says(known: IdentityMap, found: Resolution) -> None:
    """Whatever the map was told, it ends with what was found."""
    moved = {(one, span): person for one, span, person, _ in known.rows() if person != own_id(one, span)}
    assert moved == {
        **{(one, WHOLE): person for one, person in found.people.items()},
        **{place: tied.person for place, tied in found.spans.items()},
    }


def spoken(found: Resolution) -> set[str]:
    people: dict[bytes, list[str]] = {}
    for one, person in found.people.items():
        people.setdefault(person, []).append(name(one))
    for place, tied in found.spans.items():
        people.setdefault(tied.person, []).append(_place(*place))
    return {" ".join([_founder(person, found), *sorted(members)]) for person, members in people.items()}


def _founder(person: bytes, found: Resolution) -> str:
    for one, cut in found.cuts.items():
        for time in getattr(cut, "times", ()):
            if own_id(one, since(time)) == person:
                return _place(one, since(time))
    return name(person)


def _place(one: Key, span: Span) -> str:
    if len(span) == len(since(0)):
        return f"{name(one)}@{int.from_bytes(span) / DAY:g}"
    if len(span) == KEY_BYTES:
        return f"{name(one)}+{name(span)}"
    sessions = {in_session(f"s{n}"): f"s{n}" for n in range(10)}
    return f"{name(one)}/{sessions[span]}"


def _two(both: tuple[Key, Key]) -> str:
    return " ".join(map(name, both))
