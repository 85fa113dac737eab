from collections.abc import Sequence

import asyncpg
import pytest

from libs.eventlog.projection import LazyProjection, Parked
from libs.eventlog.snapshots import Compacted, Stored
from tests.support.logs import NOON, Database, added, id_of, key_of, partition_mates, retracted, running
from tests.support.tally import MENDED, POISON, TALLY, Tally
from tests.support.transport import eventually

ANN, BOB = partition_mates(2, partition=1)


async def compact(database: Database, projection: LazyProjection[Tally] = TALLY) -> None:
    compactor = database.store.compactor(projection)
    compactor.request([("demo", key_of(ANN)), ("demo", key_of(BOB))])
    await compactor.compact_all()


async def letters(database: Database) -> list[asyncpg.Record]:
    return await database.pool.fetch("SELECT * FROM dead_letters ORDER BY position")


def positions(rows: Sequence[asyncpg.Record]) -> list[int]:
    return [row["position"] for row in rows]


async def loaded(database: Database) -> Stored:
    (stored,) = await database.store.snapshots.load([("demo", key_of(ANN))])
    return stored


@pytest.fixture
async def poisoned(log_database: Database) -> Database:
    """Ann's second event is poison, at position 2; what follows is fine."""
    await log_database.store.log.append([added(ANN, 1), added(ANN, POISON, id_="bad"), added(BOB), added(ANN, 3)])
    return log_database


async def test_a_parked_event_leaves_a_letter_that_says_what_and_why(poisoned: Database) -> None:
    await compact(poisoned)
    (letter,) = await letters(poisoned)
    assert (letter["projection"], letter["partition"], letter["position"]) == ("tally", 1, 2)
    assert (letter["tenant"], letter["key"], letter["parked_at"]) == ("demo", key_of(ANN), NOON)
    assert letter["cause"].startswith("ValueError")
    assert type((await loaded(poisoned)).tail[0].event).FromString(letter["event"]).id == id_of("bad")


async def test_trying_again_in_vain_leaves_one_letter(poisoned: Database) -> None:
    for _ in range(3):
        await compact(poisoned)
    assert positions(await letters(poisoned)) == [2]


async def test_the_letter_goes_when_the_handler_is_mended(poisoned: Database) -> None:
    await compact(poisoned)
    await compact(poisoned, MENDED)
    assert await letters(poisoned) == []


async def test_a_new_release_heals_by_itself_when_it_starts(poisoned: Database) -> None:
    await compact(poisoned)

    async def healed() -> bool:
        return not await letters(poisoned)

    async with running(poisoned.store.compactor(MENDED, lag=1_000, tail=100)):
        await eventually(healed)
    assert (await loaded(poisoned)).tail == []


async def test_the_letter_goes_when_the_event_is_retracted(poisoned: Database) -> None:
    await compact(poisoned)
    await poisoned.store.log.append([retracted(ANN, 2)])
    await compact(poisoned)
    assert await letters(poisoned) == []


async def test_the_letter_names_the_event_that_the_key_stands_before_now(poisoned: Database) -> None:
    await compact(poisoned)
    await poisoned.store.log.append([added(ANN, POISON), retracted(ANN, 2)])
    await compact(poisoned)
    assert positions(await letters(poisoned)) == [5]


def by_old_release(stored: Stored) -> Compacted:
    return Compacted("demo", key_of(ANN), 1, 1, NOON, stored.state or b"", parked=Parked(stored.tail[0], "broken"))


def by_new_release(stored: Stored) -> Compacted:
    return Compacted("demo", key_of(ANN), 1, 4, NOON, stored.state or b"")


@pytest.fixture
async def read_by_two_releases(log_database: Database) -> tuple[Database, Stored]:
    """Both read Ann's snapshot at position 1, before either writes."""
    await log_database.store.log.append([added(ANN, 1)])
    await compact(log_database)
    await log_database.store.log.append([added(ANN, POISON), added(BOB), added(ANN, 3)])
    return log_database, await loaded(log_database)


async def test_no_letter_stays_when_a_new_release_writes_after_an_old_one(
    read_by_two_releases: tuple[Database, Stored],
) -> None:
    database, stored = read_by_two_releases
    assert await database.store.snapshots.save([by_old_release(stored)]) == 1
    assert positions(await letters(database)) == [2]
    assert await database.store.snapshots.save([by_new_release(stored)]) == 1
    assert await letters(database) == []


async def test_an_old_release_that_comes_too_late_leaves_no_letter(
    read_by_two_releases: tuple[Database, Stored],
) -> None:
    database, stored = read_by_two_releases
    assert await database.store.snapshots.save([by_new_release(stored)]) == 1
    assert await database.store.snapshots.save([by_old_release(stored)]) == 0
    assert await letters(database) == []
