"""Why identifiers are one person or two, and what a decision would change of that."""

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Final, NamedTuple

from libs.people.identifiers import IdentifierRules
from libs.people.spans import WHOLE
from libs.runtime.errors import NotFound
from services.identity.domain.decisions import IdentityDecision, Linked, Unblocked, Unlinked, subjects
from services.identity.domain.evidence import Key
from services.identity.domain.explanation import Explanation
from services.identity.domain.naming import PersonId
from services.identity.domain.person import Identifier, Person, Place, person_in, places_of
from services.identity.domain.reasons import Explained, Findings
from services.identity.domain.sentences import Said, Sayings, Words
from services.identity.queries.people import People, identifiers
from services.identity.queries.surroundings import LARGEST, Surroundings, TooLarge, surroundings
from services.identity.store.tenant import IdentityStore

SMALL: Final = 200
"""Identifiers that are explained at once; for more, other calls must not wait."""

MOST_PEOPLE: Final = 20
"""Whoever an identifier joined, as far as they are shown when it is blocked."""

UNSEEN: Final = f"more than {LARGEST:,} identifiers hang together here: they are resolved in a while, and not shown"

_SAYINGS: Final = """
    SELECT about, a, b, by, note FROM decisions WHERE tenant = $1 AND a = ANY($2::uuid[]) AND stands <> 'nothing'"""


class Outlook(NamedTuple):
    """What is to be seen of the people that a decision concerns, within its transaction."""

    around: Surroundings
    explanation: Explanation
    findings: Findings
    people: tuple[PersonId, ...]
    known: Mapping[Key, Identifier]
    sayings: Sayings


@dataclass(frozen=True, slots=True)
class Explaining:
    """Explains the people of one tenant at a time."""

    people: People

    async def explain(self, tenant: str, one: Place, other: Place | None, rules: IdentifierRules) -> Explained:
        """Why a place's person is one, or why two are one or are not; raises `NotFound`."""
        places = [one] if other is None else [one, other]
        async with self.people.reading(tenant) as store:
            around = await surroundings(store, [key for key, _ in places], rules)
            explanation = await _explanation(around)
            findings = Findings(explanation, around.case, one, other)
            known = identifiers(await store.resolved.known(findings.keys))
            said = await _sayings(store, findings.keys)
        for key, _ in places:
            if key not in known:
                raise NotFound("person", key.hex())
        people = [await self._person(tenant, around, explanation, known, person) for person in findings.people]
        return findings.told(people, known, Words(known, rules, said))

    async def look(
        self, store: IdentityStore, decision: IdentityDecision, rules: IdentifierRules, values: Mapping[Key, str]
    ) -> Outlook | None:
        """The people that a decision concerns, as its transaction sees them after it; None where these are too many to
        be looked at. The decision must stand all the same, for it may be the one that parts them.

        `values` are the normal forms of the identifiers that it is about, which need not have been seen.
        """
        about = [one.key for one in subjects(decision)]
        try:
            around = await surroundings(store, about, rules)
        except TooLarge:
            return None
        explanation = await _explanation(around)
        findings = Findings(explanation, around.case, *((key, WHOLE) for key in about))
        people = findings.people if len(about) > 1 else _neighbours(around, explanation, about[0])
        keys = findings.keys.union(*({key for key, _ in places_of(explanation.found, one)} for one in people))
        known = identifiers(await store.resolved.known(keys))
        for one in subjects(decision):
            known.setdefault(one.key, Identifier(one.key, one.type, values.get(one.key, "")))
        return Outlook(around, explanation, findings, people, known, await _sayings(store, keys))

    async def outcome(self, tenant: str, decision: IdentityDecision, seen: Outlook | None) -> tuple[list[Person], str]:
        """The same in full, and what the decision does not achieve: empty where it does. Apart from `look`, because a
        transaction that waits for a second connection may wait for ever.
        """
        if seen is None:
            return [], UNSEEN
        people = [
            await self._person(tenant, seen.around, seen.explanation, seen.known, person) for person in seen.people
        ]
        return people, _note(decision, seen.findings, Words(seen.known, seen.around.case.rules, seen.sayings))

    async def _person(
        self,
        tenant: str,
        around: Surroundings,
        explanation: Explanation,
        known: Mapping[Key, Identifier],
        person: PersonId,
    ) -> Person:
        former = await self.people.former_ids(tenant, explanation.found, person)
        return person_in(explanation.found, person, around.case.evidence, known, around.case.rules, former)


async def _explanation(around: Surroundings) -> Explanation:
    if len(around.inside) > SMALL:
        return await asyncio.to_thread(around.explanation)
    return around.explanation()


async def _sayings(store: IdentityStore, keys: Collection[Key]) -> Sayings:
    """What was said with the decisions that stand about some identifiers."""
    sayings = Sayings()
    for about, a, b, by, note in await store.connection.fetch(_SAYINGS, store.tenant, list(keys)):
        match about:
            case "link":
                sayings.links[a, b] = Said(by, note)
            case "forbid":
                sayings.forbidden[a, b] = Said(by, note)
            case _:
                sayings.blocked[a] = Said(by, note)
    return sayings


def _neighbours(around: Surroundings, explanation: Explanation, key: Key) -> tuple[PersonId, ...]:
    """Whoever an identifier may have joined: its own person and those of what was seen with it, not all of many."""
    beside = sorted({one for both in around.case.evidence.pairs if key in both for one in both} - {key})
    people = (explanation.person_of((one, WHOLE)) for one in (key, *beside))
    return tuple(islice(dict.fromkeys(people), MOST_PEOPLE))


def _note(decision: IdentityDecision, findings: Findings, words: Words) -> str:
    """What a decision does not achieve, and why; empty where it does."""
    one, other = findings.one[0], (findings.other or findings.one)[0]
    match decision:
        case Linked() if not findings.same:
            return words.apart(one, other, findings.why_two)
        case Unlinked() if findings.same:
            return words.still_one(one, other, findings.steps)
        case Unblocked() if findings.found.marks.get(one) == "blocked":
            return words.blocked(one)
        case _:
            return ""
