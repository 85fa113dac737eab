"""The process that compares two sets of rules: `python -m services.identity.queries.comparing`.

The question comes in and the plan goes out as JSON, because a database's address is not for lists of processes.
"""

import asyncio
import os
import sys
from collections.abc import Iterator
from typing import Final

import msgspec

from libs.eventlog.database import open_pool
from libs.people.anchor import Anchoring
from libs.people.identifiers import DEFAULT_RULES, Claimed, IdentifierRules
from libs.people.keys import Keyring
from libs.people.rules_document import read_rules
from services.identity.codec.evidence import unpack_sight, unpack_together
from services.identity.domain.evidence import Evidence, Key, Seen, combine
from services.identity.domain.person import Identifier
from services.identity.domain.plan import Plan, plan
from services.identity.domain.standing import Case
from services.identity.rulebook import screening
from services.identity.store.decisions import DecisionRows

NICE: Final = 10
"""Whoever waits for a plan can wait for those who ask who somebody is."""

_PORTION: Final = 5_000
_SUBJECTS: Final = "SELECT key, type, value FROM subjects WHERE tenant = $1"
_IDENTIFIERS: Final = "SELECT key, type, value, recorded_at FROM identifiers WHERE tenant = $1"
_PAIRS: Final = "SELECT a, b, together FROM pairs WHERE tenant = $1"
_LOGINS: Final = "SELECT key, session, account, sight FROM logins WHERE tenant = $1"


class Question(msgspec.Struct, frozen=True):
    """Whose people, and two sets of rules as documents, each with its version."""

    database_url: str
    tenant: str
    region: str
    now: tuple[str, int]
    then: tuple[str, int]
    sample: int


async def answer(question: Question) -> Plan:
    """Read everything that is known of a tenant, as it is at one moment, and compare."""
    async with (
        open_pool(question.database_url, size=1) as pool,
        pool.acquire() as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        tenant = question.tenant
        known = {row[0]: Identifier(*row) for row in await connection.fetch(_SUBJECTS, tenant)}
        evidence = Evidence()
        async for row in connection.cursor(_IDENTIFIERS, tenant, prefetch=_PORTION):
            _see(evidence, known, Identifier(*row))
        async for a, b, packed in connection.cursor(_PAIRS, tenant, prefetch=_PORTION):
            both = a, b
            if both in evidence.pairs:
                combine(evidence, Evidence(pairs={both: unpack_together(packed)}))
            else:
                evidence.pairs[both] = unpack_together(packed)
        async for *login, packed in connection.cursor(_LOGINS, tenant, prefetch=_PORTION):
            combine(evidence, Evidence(logins={tuple(login): unpack_sight(packed)}))
        decisions = await DecisionRows(connection, tenant).all()
    now, then = (
        Case(evidence, decisions, rules, frozenset(_screened(rules, question.region, known)))
        for rules in map(_rules, (question.now, question.then))
    )
    return plan(now, then, known, question.sample)


def _see(evidence: Evidence, known: dict[Key, Identifier], one: Identifier) -> None:
    recorded_at = one.recorded_at or 0
    before = evidence.seen.get(one.key)
    if before is None or recorded_at < before.recorded_at:
        evidence.seen[one.key] = Seen(recorded_at, one.type)
        known[one.key] = one


def _rules(said: tuple[str, int]) -> IdentifierRules:
    document, version = said
    return read_rules(document, version) if version else DEFAULT_RULES


def _screened(rules: IdentifierRules, region: str, known: dict[Key, Identifier]) -> Iterator[Key]:
    """The identifiers whose values rules refuse; keys do not matter to that, so any secret will do."""
    screened = {type_.name for type_ in rules.types.values() if screening(type_)}
    anchoring = Anchoring(rules, Keyring(b"none"), region)
    for key, one in known.items():
        if one.type in screened and anchoring.identify([Claimed(one.type, one.value)])[1]:
            yield key


def main() -> None:
    """Answer the question on stdin."""
    os.nice(NICE)
    question = msgspec.json.decode(sys.stdin.buffer.read(), type=Question)
    sys.stdout.buffer.write(msgspec.json.encode(asyncio.run(answer(question))))


if __name__ == "__main__":
    main()
