"""The process that compares two sets of rules: `python -m services.identity.queries.comparing`.

The question comes in and the plan goes out as JSON, because a database's address is not for lists of processes.
"""

import asyncio
import gc
import os
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Final, TypeVar

import asyncpg
import msgspec
import psutil

from libs.eventlog.database import Connection, open_pool
from libs.people.anchor import Anchoring
from libs.people.identifiers import DEFAULT_RULES, Claimed, IdentifierRules
from libs.people.keys import Keyring
from libs.people.rules_document import read_rules
from services.identity.codec.evidence import unpack_sight, unpack_together
from services.identity.domain.evidence import Evidence, Key, Seen, Together, combine
from services.identity.domain.person import Identifier
from services.identity.domain.plan import Plan, plan
from services.identity.domain.standing import Case
from services.identity.rulebook import screening
from services.identity.store.decisions import DecisionRows

NICE: Final = 10
"""Whoever waits for a plan can wait for those who ask who somebody is."""

NO_MEMORY: Final = 3
"""Exit status where a tenant needs more memory than may be taken."""

READ_SHARE: Final = 0.6
"""Of the memory, what evidence may take; to resolve it twice takes the rest."""

One = TypeVar("One")

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
    most_bytes: int


class _Reader:
    """Reads rows as long as there is memory for them, and keeps equal things once: rows repeat keys, and all that one
    interaction says repeats its sight.
    """

    def __init__(self, connection: Connection, question: Question) -> None:
        self._connection = connection
        self._tenant = question.tenant
        self._most_bytes = question.most_bytes * READ_SHARE
        self._process = psutil.Process()
        self._known: dict[object, object] = {}

    async def rows(self, query: str) -> AsyncIterator[asyncpg.Record]:
        """All rows of the tenant. Raises `MemoryError`, lest the machine end whichever process it likes."""
        count = 0
        async for row in self._connection.cursor(query, self._tenant, prefetch=_PORTION):
            if count % _PORTION == 0 and self._process.memory_info().rss > self._most_bytes:
                raise MemoryError
            count += 1
            yield row

    def once(self, one: One) -> One:
        """The same, or what is equal to it and was read before."""
        return self._known.setdefault(one, one)  # type: ignore[return-value]  # it is equal

    def together(self, packed: bytes) -> Together:
        """What is known of a pair."""
        found = unpack_together(packed)
        low, high = (tuple(map(self.once, proofs)) for proofs in found.proofs)
        return Together(self.once(found.first), self.once(found.last), found.count, (low, high))


async def answer(question: Question) -> Plan:
    """Read everything that is known of a tenant, as it is at one moment, and compare. Raises `MemoryError`."""
    async with (
        open_pool(question.database_url, size=1) as pool,
        pool.acquire() as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        tenant = question.tenant
        known = {row[0]: Identifier(*row) for row in await connection.fetch(_SUBJECTS, tenant)}
        evidence, reader = Evidence(), _Reader(connection, question)
        once = reader.once
        async for key, type_, value, recorded_at in reader.rows(_IDENTIFIERS):
            _see(evidence, known, Identifier(once(key), once(type_), value, recorded_at))
        async for a, b, packed in reader.rows(_PAIRS):
            both, together = (once(a), once(b)), reader.together(packed)
            if both in evidence.pairs:
                combine(evidence, Evidence(pairs={both: together}))
            else:
                evidence.pairs[both] = together
        async for key, session, account, packed in reader.rows(_LOGINS):
            login = once(key), once(session), once(account)
            combine(evidence, Evidence(logins={login: once(unpack_sight(packed))}))
        del reader, once  # what it remembers is needed no more
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
    gc.disable()  # going through millions of things that are all needed takes as long as the work itself
    question = msgspec.json.decode(sys.stdin.buffer.read(), type=Question)
    try:
        compared = asyncio.run(answer(question))
    except MemoryError:
        sys.exit(NO_MEMORY)
    sys.stdout.buffer.write(msgspec.json.encode(compared))


if __name__ == "__main__":
    main()
