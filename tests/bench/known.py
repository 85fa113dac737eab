"""People whom the identity service has known for a while: a member number, a phone and a device each."""

import time
from collections.abc import Iterable
from typing import Any, Final

from portrait.profile.v1.interaction_pb2 import Identifier

from libs.eventlog.database import open_pool
from libs.people.identifiers import DAY
from libs.people.keys import Keyring
from libs.runtime.clock import Micros
from libs.runtime.tenants import Tenants
from services.identity.codec.evidence import pack_together
from services.identity.consuming import CONSUMER, INTERACTIONS
from services.identity.domain.evidence import Named, Sighting, observed
from tests.bench.preload import TENANT, member

AT_ONCE: Final = 10_000
TYPES: Final = ("member_no", "phone", "device_id")

Rows = list[tuple[Any, ...]]

READ: Final = """
    INSERT INTO checkpoints (consumer, log, partition, position)
    SELECT $1, $2, * FROM unnest($3::smallint[], $4::bigint[])
    ON CONFLICT (consumer, log, partition) DO UPDATE SET position = excluded.position"""


def values(person: int) -> dict[str, str]:
    """What a person has, by type, as normalised."""
    return {"member_no": member(person), "phone": f"+8613{person:09d}", "device_id": f"device-{person:07d}"}


def identifier(person: int, type_: str) -> Identifier:
    """An identifier of a person, as it is asked for."""
    return Identifier(type=type_, value=values(person)[type_])


async def acquaint(identity: str, people: int, profile: str | None = None) -> None:
    """Fill the tables of identity, and the map of profile, with people; what profile has recorded counts as read."""
    keyring, day = Keyring(Tenants.demo().get(TENANT).secret), time.time_ns() // 1000 - DAY
    async with open_pool(identity, size=1) as pool, pool.acquire() as connection:
        for start in range(0, people, AT_ONCE):
            tables = _tables(keyring, range(start, min(people, start + AT_ONCE)), day)
            for table, rows in tables.items():
                await connection.copy_records_to_table(table, records=rows)
            if profile is not None:
                await _map(profile, map_rows(keyring, range(start, min(people, start + AT_ONCE))))
        await connection.execute("VACUUM ANALYZE", timeout=600)
        if profile is not None:
            async with open_pool(profile, size=1) as theirs:
                heads = await theirs.fetch("SELECT partition, position FROM log_heads")
            await connection.execute(READ, CONSUMER, INTERACTIONS, *map(list, zip(*heads, strict=True)))


def _tables(keyring: Keyring, people: Iterable[int], at: Micros) -> dict[str, Rows]:
    """What one login of each person, with everything that they have, leaves in the tables."""
    identifiers: Rows = []
    pairs: Rows = []
    moved: Rows = []
    for person in people:
        keys = {type_: keyring.key("person", type_, value) for type_, value in values(person).items()}
        named = tuple(Named(key, type_, verified=type_ == "phone") for type_, key in keys.items())
        evidence = observed(Sighting(person.to_bytes(16), at, at, named, "app"))
        anchor, *others = keys.values()
        identifiers += [(TENANT, anchor, keys[type_], type_, value, at) for type_, value in values(person).items()]
        pairs += [(TENANT, anchor, *both, pack_together(together)) for both, together in evidence.pairs.items()]
        moved += [(TENANT, key, anchor, None, None, 1) for key in others]
    return {"identifiers": identifiers, "pairs": pairs, "people": moved}


def map_rows(keyring: Keyring, people: Iterable[int]) -> Rows:
    """What the map of whoever follows identity says of people: all that they have belongs to their member number."""
    rows: Rows = []
    for person in people:
        anchor, *others = [keyring.key("person", type_, value) for type_, value in values(person).items()]
        rows += [(TENANT, key, key, b"", anchor, 1) for key in others]
    return rows


async def _map(profile: str, rows: Rows) -> None:
    async with open_pool(profile, size=1) as pool, pool.acquire() as connection:
        await connection.copy_records_to_table("identity_map", records=rows)
