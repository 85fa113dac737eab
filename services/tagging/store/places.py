"""Where places belong, as the identity log says, within a transaction; and the order of its folding and of ours.

Who folds events and who learns of moves shut one another out: else somebody could move while an event of theirs is
being folded, and be answered without it.
"""

from collections.abc import Collection, Mapping
from typing import Final, NamedTuple

from libs.eventlog.database import Connection
from libs.people.postgres_identity_map import cut_of_row
from libs.people.spans import Cut

_MAP_LOCK: Final = 0x4D6150  # advisory lock of whoever reads the map to mark people due, or changes it

_SHARE: Final = "SELECT pg_advisory_xact_lock_shared($1)"
_HOLD: Final = "SELECT pg_advisory_xact_lock($1)"

_CUTS: Final = """
    SELECT identifier, kind, times FROM anchor_cuts
    WHERE tenant = $1 AND identifier = ANY($2::uuid[]) AND kind IS NOT NULL"""

_PERSONS: Final = "SELECT own_id, person FROM identity_map WHERE tenant = $1 AND own_id = ANY($2::uuid[])"

# OFFSET 0: each is looked up by itself, however many the planner takes them for. Whoever is due may be in the middle of
# being answered as who they were, and not hold anything yet.
_SPEAKING: Final = """
    SELECT place FROM unnest($2::uuid[]) AS wanted(place)
    WHERE EXISTS (SELECT FROM features WHERE tenant = $1 AND features.place = wanted.place OFFSET 0)
        OR EXISTS (SELECT FROM holdings WHERE tenant = $1 AND person = wanted.place OFFSET 0)
        OR EXISTS (SELECT FROM due WHERE tenant = $1 AND person = wanted.place OFFSET 0)
        OR EXISTS (SELECT FROM set_by_hand WHERE tenant = $1 AND identifier = wanted.place OFFSET 0)"""

# Whose somebody's own place is now, and what is theirs; a place of their own that is theirs comes twice.
_PEOPLE: Final = """
    SELECT person, own_id, identifier FROM identity_map WHERE tenant = $1 AND own_id = ANY($2::uuid[])
    UNION ALL SELECT person, own_id, identifier FROM identity_map WHERE tenant = $1 AND person = ANY($2::uuid[])"""


class Persons(NamedTuple):
    """Who some people are now: `became` has those who are another's, `members` the places of all others."""

    became: Mapping[bytes, bytes]
    members: Mapping[bytes, Collection[bytes]]
    anchors: Mapping[bytes, bytes]
    """The identifier of each place that was ever moved."""


async def share_map(connection: Connection) -> None:
    """Let nobody learn of moves until the transaction ends."""
    await connection.execute(_SHARE, _MAP_LOCK)


async def hold_map(connection: Connection) -> None:
    """Let nobody fold events until the transaction ends, for moves are about to be learnt."""
    await connection.execute(_HOLD, _MAP_LOCK)


async def cuts_of(connection: Connection, tenant: str, anchors: Collection[bytes]) -> dict[bytes, Cut]:
    """How anchors are cut, of those that are."""
    rows = await connection.fetch(_CUTS, tenant, list(anchors))
    cuts = {row["identifier"]: cut_of_row(row["kind"], row["times"]) for row in rows}
    return {anchor: cut for anchor, cut in cuts.items() if cut is not None}


async def persons_of(connection: Connection, tenant: str, places: Collection[bytes]) -> dict[bytes, bytes]:
    """Whose each place is."""
    rows = await connection.fetch(_PERSONS, tenant, list(places))
    moved = {row["own_id"]: row["person"] for row in rows}
    return {place: moved.get(place, place) for place in places}


async def speaking(connection: Connection, tenant: str, places: Collection[bytes]) -> set[bytes]:
    """The places that may make a difference to whoever they belong to: something was seen, held or said there, or is
    about to be.
    """
    return {row["place"] for row in await connection.fetch(_SPEAKING, tenant, list(places))}


async def persons(connection: Connection, tenant: str, people: Collection[bytes]) -> Persons:
    """Who people are now, and what is theirs."""
    members = {person: {person: None} for person in people}  # never moved, a place is its own
    became: dict[bytes, bytes] = {}
    anchors: dict[bytes, bytes] = {}
    for person, place, identifier in await connection.fetch(_PEOPLE, tenant, list(members)):
        anchors[place] = identifier
        if person in members:
            members[person][place] = None
        if place in members and place != person:
            became[place] = person
    for person in became:
        del members[person]
    return Persons(became, members, anchors)
