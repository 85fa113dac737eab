"""The identity map in PostgreSQL, as a service keeps it that consumes the identity log."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from operator import attrgetter, itemgetter
from typing import Final, assert_never

import asyncpg

from libs.people.identity_events import CutMade, Move, News, places_begun
from libs.people.person import Member, Name, Person, span_meant
from libs.people.spans import WHOLE, AtTimes, ByIdentifier, BySession, Cut, own_id

Connection = asyncpg.Connection | asyncpg.pool.PoolConnectionProxy

# In the order of keys, so that two transactions never wait for each other in a circle.
_MOVE: Final = """
    INSERT INTO identity_map AS known (tenant, own_id, identifier, span, person, version)
    SELECT $1, own_id, identifier, span, person, version
    FROM unnest($2::uuid[], $3::uuid[], $4::bytea[], $5::uuid[], $6::bigint[])
      AS moved(own_id, identifier, span, person, version)
    ORDER BY own_id
    ON CONFLICT (tenant, own_id) DO UPDATE SET person = excluded.person, version = excluded.version
    WHERE known.version < excluded.version"""

_CUT: Final = """
    INSERT INTO anchor_cuts AS known (tenant, identifier, kind, times, version)
    VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (tenant, identifier)
    DO UPDATE SET kind = excluded.kind, times = excluded.times, version = excluded.version
    WHERE known.version < excluded.version"""

# A person's own place has no row until it is moved, and then is theirs unless it says otherwise. `(SELECT $n)` keeps
# the length of an array from the planner, which would plan anew for each: run this on a pool that does without scans.
_PEOPLE: Final = """
    SELECT wanted.place, who.id AS person, named.identifier AS named, named.span AS named_span,
           named_cut.kind AS named_kind, named_cut.times AS named_times,
           member.identifier, member.span, cut.kind, cut.times, cut.version
    FROM unnest((SELECT $2::uuid[])) WITH ORDINALITY AS wanted(id, place)
    LEFT JOIN LATERAL (
        SELECT * FROM identity_map WHERE tenant = $1 AND own_id = wanted.id LIMIT 1) AS named ON true
    LEFT JOIN LATERAL (
        SELECT * FROM anchor_cuts WHERE tenant = $1 AND identifier = coalesce(named.identifier, wanted.id) LIMIT 1
        ) AS named_cut ON true
    CROSS JOIN LATERAL (SELECT coalesce(named.person, wanted.id) AS id) AS who
    CROSS JOIN LATERAL (
        SELECT identifier, span FROM identity_map WHERE tenant = $1 AND person = who.id
        UNION ALL
        SELECT who.id, ''::bytea
        WHERE NOT EXISTS (SELECT FROM identity_map WHERE tenant = $1 AND own_id = who.id)
        ) AS member
    LEFT JOIN LATERAL (
        SELECT * FROM anchor_cuts WHERE tenant = $1 AND identifier = member.identifier LIMIT 1) AS cut ON true
    ORDER BY wanted.place, member.identifier, member.span"""

_CUT_OF: Final = "SELECT kind, times, version FROM anchor_cuts WHERE tenant = $1 AND identifier = $2"


class PostgresIdentityMap:
    """See `IdentityMap`; of many tenants, in the tables of `identity_tables`."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        """Everything here goes by key, so the pool is best one without scans."""
        self._pool = pool

    async def learn(self, connection: Connection, news: Mapping[str, News]) -> None:
        """Take in what the identity log says, in the caller's transaction."""
        for tenant, (moves, cuts) in sorted(news.items()):
            for made in _newest(cuts):
                await connection.execute(_CUT, tenant, made.identifier, *_row(made.cut), made.version)
            begun = [move for made in cuts for move in places_begun(made)]
            highest = _highest([*begun, *moves])
            if highest:
                await connection.execute(
                    _MOVE,
                    tenant,
                    list(highest),
                    [move.identifier for move in highest.values()],
                    [move.span for move in highest.values()],
                    [move.person for move in highest.values()],
                    [move.version for move in highest.values()],
                )

    async def people(self, tenant: str, names: Sequence[Name]) -> list[Person]:
        """See `IdentityMap.people`."""
        found: list[Person] = []
        cut_otherwise: dict[int, Name] = {}
        rows = await self._pool.fetch(_PEOPLE, tenant, [name.key for name in names])
        for index, (name, (_, group)) in enumerate(zip(names, groupby(rows, itemgetter("place")), strict=True)):
            those = list(group)
            found.append(Person(those[0]["person"], tuple([_member(row) for row in those])))
            another = _named_otherwise(name, those[0])
            if another is not None:
                cut_otherwise[index] = another
        if cut_otherwise:
            people = await self.people(tenant, list(cut_otherwise.values()))
            for index, person in zip(cut_otherwise, people, strict=True):
                found[index] = person
        return found

    async def cut_of(self, tenant: str, identifier: bytes) -> tuple[Cut | None, int]:
        """How an identifier is cut, and the version of that; 0 where it never was."""
        row = await self._pool.fetchrow(_CUT_OF, tenant, identifier)
        return (cut_of_row(row["kind"], row["times"]), row["version"]) if row else (None, 0)


def _highest(moves: Iterable[Move]) -> dict[bytes, Move]:
    """The move of the highest version of each place, by the id that the place has alone."""
    highest: dict[bytes, Move] = {}
    for move in moves:
        alone = own_id(move.identifier, move.span)
        known = highest.get(alone)
        if known is None or known.version < move.version:
            highest[alone] = move
    return highest


def _newest(cuts: Iterable[CutMade]) -> list[CutMade]:
    """The cut of the highest version of each identifier, in the order of keys."""
    newest: dict[bytes, CutMade] = {}
    for made in cuts:
        newest[made.identifier] = max(made, newest.get(made.identifier, made), key=attrgetter("version"))
    return [newest[identifier] for identifier in sorted(newest)]


def _named_otherwise(name: Name, row: asyncpg.Record) -> Name | None:
    """The OneID of the place that a name means, where that is another than the one whose own id the name is."""
    span, cut = row["named_span"] or WHOLE, cut_of_row(row["named_kind"], row["named_times"])
    if name.at is None and span == WHOLE:
        return None
    meant = span_meant(name, span, cut)
    return None if meant == span else Name(own_id(row["named"] or name.key, meant))


def _member(row: asyncpg.Record) -> Member:
    return Member(row["identifier"], row["span"], cut_of_row(row["kind"], row["times"]), row["version"] or 0)


def _row(cut: Cut | None) -> tuple[str | None, Sequence[int] | None]:
    match cut:
        case None:
            return None, None
        case BySession():
            return "by_session", None
        case ByIdentifier():
            return "by_identifier", None
        case AtTimes(times):
            return "at_times", times
        case _:
            assert_never(cut)


def cut_of_row(kind: str | None, times: Sequence[int] | None) -> Cut | None:
    """How an identifier is cut whose row in `anchor_cuts` says so; None where it is whole."""
    match kind:
        case "by_session":
            return BySession()
        case "by_identifier":
            return ByIdentifier()
        case "at_times":
            return AtTimes(tuple(times or ()))
        case _:
            return None
