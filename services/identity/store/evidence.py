"""Evidence in tables: a row for each anchor that it was folded from, and what its rows amount to together."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any, Final

import asyncpg

from libs.eventlog.database import Connection
from libs.people.spans import Span
from services.identity.codec.evidence import pack_sight, pack_together, unpack_sight, unpack_together
from services.identity.domain.anchors import Anchor, ByAnchor, EvidenceChange, within
from services.identity.domain.evidence import Evidence, Key, Login, Pair, Seen, Sight, Together, union

# OFFSET 0 keeps the planner from turning a join around. While it knows a table, or the tenant in it, to hold next to
# nothing, it would rather read all of the tenant, and would go on doing so as that grows.
_OF_ANCHORS_IDENTIFIERS: Final = """
    SELECT row.anchor, row.key, row.type, row.recorded_at
    FROM unnest($2::uuid[], $3::uuid[]) AS wanted(anchor, key),
    LATERAL (SELECT * FROM identifiers AS one
             WHERE one.tenant = $1 AND one.anchor = wanted.anchor AND one.key = wanted.key OFFSET 0) AS row"""

_OF_ANCHORS_PAIRS: Final = """
    SELECT row.anchor, row.a, row.b, row.together
    FROM unnest($2::uuid[], $3::uuid[], $4::uuid[]) AS wanted(anchor, a, b),
    LATERAL (SELECT * FROM pairs AS one
             WHERE one.tenant = $1 AND one.anchor = wanted.anchor AND one.a = wanted.a AND one.b = wanted.b
             OFFSET 0) AS row"""

_OF_ANCHORS_LOGINS: Final = """
    SELECT row.anchor, row.key, row.session, row.account, row.sight
    FROM unnest($2::uuid[], $3::uuid[], $4::bytea[], $5::uuid[]) AS wanted(anchor, key, session, account),
    LATERAL (SELECT * FROM logins AS one
             WHERE one.tenant = $1 AND one.anchor = wanted.anchor AND one.key = wanted.key
               AND one.session = wanted.session AND one.account = wanted.account OFFSET 0) AS row"""

_WHOLE_IDENTIFIERS: Final = """
    SELECT anchor, key, type, recorded_at FROM identifiers WHERE tenant = $1 AND anchor = ANY($2::uuid[])"""

_WHOLE_PAIRS: Final = "SELECT anchor, a, b, together FROM pairs WHERE tenant = $1 AND anchor = ANY($2::uuid[])"

_WHOLE_LOGINS: Final = """
    SELECT anchor, key, session, account, sight FROM logins WHERE tenant = $1 AND anchor = ANY($2::uuid[])"""

# Rows go in by key, so that two transactions never wait for each other in a circle.
_PUT_IDENTIFIERS: Final = """
    INSERT INTO identifiers (tenant, anchor, key, type, value, recorded_at)
    SELECT $1, * FROM unnest($2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::bigint[])
    ON CONFLICT (tenant, anchor, key) DO UPDATE SET recorded_at = excluded.recorded_at"""

_PUT_PAIRS: Final = """
    INSERT INTO pairs (tenant, anchor, a, b, together)
    SELECT $1, * FROM unnest($2::uuid[], $3::uuid[], $4::uuid[], $5::bytea[])
    ON CONFLICT (tenant, anchor, a, b) DO UPDATE SET together = excluded.together"""

_PUT_LOGINS: Final = """
    INSERT INTO logins (tenant, anchor, key, session, account, sight)
    SELECT $1, * FROM unnest($2::uuid[], $3::uuid[], $4::bytea[], $5::uuid[], $6::bytea[])
    ON CONFLICT (tenant, anchor, key, session, account) DO UPDATE SET sight = excluded.sight"""

_DROP_IDENTIFIERS: Final = """
    DELETE FROM identifiers AS row USING unnest($2::uuid[], $3::uuid[]) AS gone(anchor, key)
    WHERE row.tenant = $1 AND row.anchor = gone.anchor AND row.key = gone.key"""

_DROP_PAIRS: Final = """
    DELETE FROM pairs AS row USING unnest($2::uuid[], $3::uuid[], $4::uuid[]) AS gone(anchor, a, b)
    WHERE row.tenant = $1 AND row.anchor = gone.anchor AND row.a = gone.a AND row.b = gone.b"""

_DROP_LOGINS: Final = """
    DELETE FROM logins AS row
    USING unnest($2::uuid[], $3::uuid[], $4::bytea[], $5::uuid[]) AS gone(anchor, key, session, account)
    WHERE row.tenant = $1 AND row.anchor = gone.anchor AND row.key = gone.key AND row.session = gone.session
      AND row.account = gone.account"""

_PAIRS: Final = """
    SELECT row.anchor, row.a, row.b, row.together FROM unnest($2::uuid[], $3::uuid[]) AS wanted(a, b),
    LATERAL (SELECT * FROM pairs AS one
             WHERE one.tenant = $1 AND one.a = wanted.a AND one.b = wanted.b OFFSET 0) AS row"""

_PAIRS_AROUND: Final = """
    SELECT anchor, a, b, together FROM pairs WHERE tenant = $1 AND a = ANY($2::uuid[])
    UNION ALL
    SELECT anchor, a, b, together FROM pairs WHERE tenant = $1 AND b = ANY($2::uuid[])"""

_LOGINS_AT: Final = """
    SELECT row.anchor, row.key, row.session, row.account, row.sight
    FROM (SELECT DISTINCT * FROM unnest($2::uuid[], $3::bytea[]) AS any_(key, session)) AS place,
    LATERAL (SELECT * FROM logins AS one
             WHERE one.tenant = $1 AND one.key = place.key AND one.session = place.session OFFSET 0) AS row"""

# Those of the accounts, and whatever else logged in within the same sessions.
_LOGINS_AROUND: Final = """
    SELECT row.anchor, row.key, row.session, row.account, row.sight
    FROM (SELECT DISTINCT key, session FROM logins WHERE tenant = $1 AND account = ANY($2::uuid[])) AS place,
    LATERAL (SELECT * FROM logins AS one
             WHERE one.tenant = $1 AND one.key = place.key AND one.session = place.session OFFSET 0) AS row"""


@dataclass(frozen=True, slots=True)
class EvidenceRows:
    """The evidence of one tenant."""

    connection: Connection
    tenant: str

    async def like(self, wanted: ByAnchor, known: ByAnchor) -> ByAnchor:
        """The rows that stand where others are to be added, and those that are `known`, which need not be read."""
        identifiers = [
            (anchor, key)
            for anchor, evidence in wanted.items()
            for key in (evidence.seen.keys() - known[anchor].seen.keys() if anchor in known else evidence.seen)
        ]
        found = _by_anchor(await self._fetch(_OF_ANCHORS_IDENTIFIERS, identifiers), (), (), known)
        # Only what was seen itself can have been seen with another.
        both = [(anchor, wanted[anchor], found[anchor].seen.keys()) for anchor in wanted.keys() & found.keys()]
        pairs = [(anchor, a, b) for anchor, evidence, seen in both for a, b in evidence.pairs if seen >= {a, b}]
        logins = [
            (anchor, key, session, account)
            for anchor, evidence, seen in both
            for key, session, account in evidence.logins
            if seen >= {key, account}
        ]
        return _by_anchor(
            (), await self._fetch(_OF_ANCHORS_PAIRS, pairs), await self._fetch(_OF_ANCHORS_LOGINS, logins), found
        )

    async def whole(self, anchors: Collection[Anchor]) -> ByAnchor:
        """All rows that were folded from some anchors."""
        wanted = [(anchor,) for anchor in anchors]
        return _by_anchor(
            await self._fetch(_WHOLE_IDENTIFIERS, wanted),
            await self._fetch(_WHOLE_PAIRS, wanted),
            await self._fetch(_WHOLE_LOGINS, wanted),
        )

    async def pairs(self, wanted: Collection[Pair]) -> dict[Pair, Together]:
        """What is known of some pairs."""
        return _combined_pairs(await self._fetch(_PAIRS, wanted))

    async def pairs_around(self, keys: Collection[Key]) -> dict[Pair, Together]:
        """Every pair of some identifiers."""
        return _combined_pairs(await self._fetch(_PAIRS_AROUND, [(key,) for key in keys]))

    async def logins_at(self, places: Collection[tuple[Key, Span]]) -> dict[Login, Sight]:
        """All logins within some sessions."""
        return _combined_logins(await self._fetch(_LOGINS_AT, places))

    async def logins_around(self, keys: Collection[Key]) -> dict[Login, Sight]:
        """Every login of some identifiers, and all others within the sessions of those."""
        return _combined_logins(await self._fetch(_LOGINS_AROUND, [(key,) for key in keys]))

    async def replace(self, change: EvidenceChange) -> None:
        """Put evidence in place of other."""
        identifiers: list[tuple[Any, ...]] = []
        pairs: list[tuple[Any, ...]] = []
        logins: list[tuple[Any, ...]] = []
        gone = ByAnchor()
        values = change.values
        for anchor, before, after in change.each():
            identifiers += [
                (anchor, key, seen.type, values[key], seen.recorded_at)
                for key, seen in after.seen.items()
                if before.seen.get(key) != seen
            ]
            pairs += [
                (anchor, *both, pack_together(together))
                for both, together in after.pairs.items()
                if before.pairs.get(both) != together
            ]
            logins += [
                (anchor, *login, pack_sight(sight))
                for login, sight in after.logins.items()
                if before.logins.get(login) != sight
            ]
            if not within(before, after):
                gone[anchor] = _without(before, after)
        await self._execute(_PUT_IDENTIFIERS, sorted(identifiers))
        await self._execute(_PUT_PAIRS, sorted(pairs))
        await self._execute(_PUT_LOGINS, sorted(logins))
        await self._drop(gone)

    async def _drop(self, gone: ByAnchor) -> None:
        await self._execute(_DROP_IDENTIFIERS, [(anchor, key) for anchor, lost in gone.items() for key in lost.seen])
        await self._execute(_DROP_PAIRS, [(anchor, *both) for anchor, lost in gone.items() for both in lost.pairs])
        await self._execute(_DROP_LOGINS, [(anchor, *login) for anchor, lost in gone.items() for login in lost.logins])

    async def _fetch(self, query: str, rows: Collection[tuple[Any, ...]]) -> list[asyncpg.Record]:
        if not rows:
            return []
        return await self.connection.fetch(query, self.tenant, *map(list, zip(*rows, strict=True)))

    async def _execute(self, statement: str, rows: Collection[tuple[Any, ...]]) -> None:
        if rows:
            await self.connection.execute(statement, self.tenant, *map(list, zip(*rows, strict=True)))


Rows = Iterable[asyncpg.Record]


def _without(before: Evidence, after: Evidence) -> Evidence:
    return Evidence(
        {key: seen for key, seen in before.seen.items() if key not in after.seen},
        {both: together for both, together in before.pairs.items() if both not in after.pairs},
        {login: sight for login, sight in before.logins.items() if login not in after.logins},
    )


def _by_anchor(identifiers: Rows, pairs: Rows, logins: Rows, known: ByAnchor | None = None) -> ByAnchor:
    found = ByAnchor() if known is None else known
    for anchor, key, type_, recorded_at in identifiers:
        found.of(anchor).seen[key] = Seen(recorded_at, type_)
    for anchor, a, b, together in pairs:
        found.of(anchor).pairs[a, b] = unpack_together(together)
    for anchor, key, session, account, sight in logins:
        found.of(anchor).logins[key, session, account] = unpack_sight(sight)
    return found


def _combined_pairs(rows: Rows) -> dict[Pair, Together]:
    """Of all anchors; a pair that was asked for from both ends comes twice, and counts once."""
    rows_once = {(anchor, a, b): packed for anchor, a, b, packed in rows}
    found: dict[Pair, Together] = {}
    for (_, a, b), packed in rows_once.items():
        together, known = unpack_together(packed), found.get((a, b))
        found[a, b] = union(known, together) if known else together
    return found


def _combined_logins(rows: Rows) -> dict[Login, Sight]:
    found: dict[Login, Sight] = {}
    for _, key, session, account, packed in rows:
        sight = unpack_sight(packed)
        found[key, session, account] = min(sight, found.get((key, session, account), sight))
    return found
