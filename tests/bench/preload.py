"""A shop that has been running for a while: people with about fifty interactions each, and tails of 0 to 15."""

import asyncio
import random
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import asyncpg
import uvloop

from libs.eventlog.copy import LOG_COLUMNS, MESSAGE_ID_COLUMNS, log_rows, message_id_rows, write
from libs.eventlog.database import open_pool
from libs.eventlog.event import Envelope, NewEvent, partition_of
from libs.people.keys import Keyring
from libs.people.said import INTERACTION_RECORDED
from libs.runtime.clock import SECOND
from libs.runtime.tenants import Tenants
from services.profile.domain.calendar import Calendar
from services.profile.domain.event_names import event_name
from services.profile.domain.interaction import read_interaction
from services.profile.domain.portrait import Fact, Portrait, record
from services.profile.domain.schema_history import SchemaHistory
from services.profile.domain.snapshot import encode
from tests.bench.load import SEED, message_ids, templates

TENANT: Final = "demo"
FOLDED: Final = 43  # interactions of each person in the snapshot; the tail adds 7.5 on average
TAIL: Final = 16
WRITERS: Final = 2
PEOPLE_AT_ONCE: Final = 250
HISTORY_DAYS: Final = 180

_HORIZON: Final = """
    INSERT INTO projection_horizons (projection, partition, position) VALUES ('portraits', $1, $2)
    ON CONFLICT (projection, partition) DO UPDATE SET position = excluded.position"""

_PUBLISHED: Final = """
    INSERT INTO checkpoints (consumer, log, partition, position)
    SELECT 'relay', 'interactions', partition, position FROM log_heads
    ON CONFLICT (consumer, log, partition) DO UPDATE SET position = excluded.position"""


@dataclass(frozen=True, slots=True)
class _Share:
    """What one writer loads: the people of its partitions."""

    url: str
    people: int
    partitions: int
    mine: tuple[int, ...]
    now: int


def member(person: int) -> str:
    """The member number of a person, normalised."""
    return f"m{person:07d}"


def person_key(keyring: Keyring, person: int) -> bytes:
    """The key that a person's interactions are filed under."""
    return keyring.key("person", "member_no", member(person))


async def preload(url: str, *, people: int, partitions: int) -> int:
    """Fill an empty, migrated database by COPY; answers how many interactions it then holds."""
    now = time.time_ns() // 1000
    shares = [
        _Share(url, people, partitions, tuple(range(writer, partitions, WRITERS)), now) for writer in range(WRITERS)
    ]
    loop = asyncio.get_running_loop()
    with ProcessPoolExecutor(WRITERS) as pool:
        counts = await asyncio.gather(*(loop.run_in_executor(pool, _fill, share) for share in shares))
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(_PUBLISHED)
        for table in ("log", "message_ids", "portraits"):  # what autovacuum would do in the middle of a measurement
            await connection.execute(f"VACUUM ANALYZE {table}", timeout=600)
    finally:
        await connection.close()
    return sum(counts)


def _fill(share: _Share) -> int:
    return uvloop.run(_write(share))


async def _write(share: _Share) -> int:
    chance = random.Random(SEED + share.mine[0])
    days = [share.now - day * 86_400 * SECOND for day in range(1, HISTORY_DAYS)]
    times = [datetime.fromtimestamp(at / SECOND, UTC).isoformat() for at in days]
    shapes = templates(chance, times)
    occurred = [
        int(datetime.fromisoformat(_time_of(shape.after, shape.between)).timestamp() * SECOND) for shape in shapes
    ]
    tenant = Tenants.demo().get(TENANT)
    keyring, calendar = Keyring(tenant.secret), Calendar(tenant.zone, tenant.currency)
    schemas = SchemaHistory().current
    seal = Envelope(TENANT, INTERACTION_RECORDED).seal()
    positions = dict.fromkeys(share.mine, 0)
    keys = [(person, person_key(keyring, person)) for person in range(share.people)]
    keys = [(person, key) for person, key in keys if partition_of(key, share.partitions) in positions]
    tails: list[tuple[int, bytes, int]] = []
    total = 0
    async with open_pool(share.url, size=1) as pool, pool.acquire() as connection:
        for start in range(0, len(keys), PEOPLE_AT_ONCE):
            events: list[NewEvent] = []
            states = []
            for person, key in keys[start : start + PEOPLE_AT_ONCE]:
                portrait = Portrait()
                for message_id in message_ids(share.now // 1000 - 86_400_000, FOLDED):
                    at = chance.randrange(len(shapes))
                    document = shapes[at].document(message_id, person)
                    event_id = bytes.fromhex(message_id.replace(b"-", b"").decode())
                    events.append(seal.event(event_id, key, occurred[at], document))
                    said = read_interaction(document)
                    record(portrait, Fact(event_id, occurred[at], said), schemas.reading(event_name(said)), calendar)
                states.append((key, encode(portrait)))
                tails.append((person, key, chance.randrange(TAIL)))
            last = await _append(connection, events, positions, share, share.now - 7_200 * SECOND)
            await connection.copy_records_to_table(
                "portraits",
                records=[(key, TENANT, last[key], share.now - 7_200 * SECOND, None, state) for key, state in states],
            )
            total += len(events)
        for partition, position in positions.items():
            await connection.execute(_HORIZON, partition, position)
        pending = [(person, key) for person, key, tail in tails for _ in range(tail)]
        chance.shuffle(pending)
        for start in range(0, len(pending), 10_000):
            some = pending[start : start + 10_000]
            ids = message_ids(share.now // 1000 - 3_600_000, len(some))
            events = []
            for (person, key), message_id in zip(some, ids, strict=True):
                at = chance.randrange(len(shapes))
                event_id = bytes.fromhex(message_id.replace(b"-", b"").decode())
                events.append(seal.event(event_id, key, occurred[at], shapes[at].document(message_id, person)))
            await _append(connection, events, positions, share, share.now - 3_600 * SECOND)
            total += len(events)
    return total


async def _append(
    connection: asyncpg.pool.PoolConnectionProxy,
    events: Sequence[NewEvent],
    positions: dict[int, int],
    share: _Share,
    recorded_at: int,
) -> dict[bytes, int]:
    """Write events where they belong; answers the last position of every key."""
    placed = []
    last: dict[bytes, int] = {}
    for event in events:
        partition = partition_of(event.key, share.partitions)
        positions[partition] += 1
        last[event.key] = positions[partition]
        placed.append((partition, positions[partition], event))
    async with connection.transaction():
        await write(connection, "log", LOG_COLUMNS, log_rows(placed, recorded_at))
        await write(connection, "message_ids", MESSAGE_ID_COLUMNS, message_id_rows(placed, recorded_at))
        await connection.execute(
            """UPDATE log_heads AS head SET position = mine.position, recorded_at = $3
               FROM unnest($1::smallint[], $2::bigint[]) AS mine(partition, position)
               WHERE head.partition = mine.partition""",
            list(positions),
            list(positions.values()),
            recorded_at,
        )
    return last


def _time_of(*parts: bytes) -> str:
    for part in parts:
        _, found, rest = part.partition(b'"occurred_at":"')
        if found:
            return rest.split(b'"', 1)[0].decode()
    raise ValueError("a template without a time")
