import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from sqlalchemy import MetaData
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateTable

from libs.eventlog.checkpoint import (
    Checkpoints,
    Fenced,
    MemoryCheckpoints,
    MemorySavedPositions,
    PostgresCheckpoints,
    PostgresSavedPositions,
    SavedPositions,
    Step,
    consumed,
)
from libs.eventlog.consumer_tables import checkpoint_table
from libs.eventlog.database import open_pool


@asynccontextmanager
async def tables_in(database: str) -> AsyncIterator[Any]:
    async with open_pool(database) as pool:
        dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
        await pool.execute(str(CreateTable(checkpoint_table(MetaData())).compile(dialect=dialect)))
        yield pool


@pytest.fixture(params=["memory", "postgres"])
def home(request: pytest.FixtureRequest) -> str | None:
    """The database to keep positions in, if any."""
    return None if request.param == "memory" else request.getfixturevalue("database")


@pytest.fixture
async def checkpoints(home: str | None) -> AsyncIterator[Checkpoints[Any]]:
    if home is None:
        yield MemoryCheckpoints()
        return
    async with tables_in(home) as pool:
        yield PostgresCheckpoints(pool, "counts", "interactions")


@pytest.fixture
async def saved(home: str | None) -> AsyncIterator[SavedPositions]:
    if home is None:
        yield MemorySavedPositions()
        return
    async with tables_in(home) as pool:
        yield PostgresSavedPositions(pool, "interactions")


async def test_everything_begins_at_zero(checkpoints: Checkpoints[Any]) -> None:
    assert await checkpoints.load([0, 3]) == {0: 0, 3: 0}


async def test_a_move_stands_once_its_block_ends(checkpoints: Checkpoints[Any]) -> None:
    await checkpoints.load([0, 1])
    async with checkpoints.advance([Step(0, 0, 7), Step(1, 0, 9)]):
        pass
    assert await checkpoints.load([0, 1]) == {0: 7, 1: 9}


async def test_a_move_is_undone_when_its_block_raises(checkpoints: Checkpoints[Any]) -> None:
    await checkpoints.load([0])
    with pytest.raises(ZeroDivisionError):
        async with checkpoints.advance([Step(0, 0, 7)]):
            raise ZeroDivisionError
    assert await checkpoints.load([0]) == {0: 0}


async def test_one_partition_that_moved_meanwhile_fences_all(checkpoints: Checkpoints[Any]) -> None:
    await checkpoints.load([0, 1])
    async with checkpoints.advance([Step(1, 0, 4)]):
        pass
    entered = False
    with pytest.raises(Fenced):
        async with checkpoints.advance([Step(0, 0, 5), Step(1, 0, 4)]):
            entered = True
    assert not entered
    assert await checkpoints.load([0, 1]) == {0: 0, 1: 4}


async def test_a_checkpoint_that_is_held_stands_still_and_is_free_again(checkpoints: Checkpoints[Any]) -> None:
    await checkpoints.load([0])

    async def move() -> None:
        async with checkpoints.advance([Step(0, 0, 5)]):
            pass

    async with checkpoints.hold(0):
        moving = asyncio.create_task(move())
        await asyncio.sleep(0.05)
        assert not moving.done()
    await moving
    assert await checkpoints.load([0]) == {0: 5}


async def test_a_part_of_a_transaction_is_undone_alone(checkpoints: Checkpoints[Any]) -> None:
    await checkpoints.load([0])
    async with checkpoints.advance([Step(0, 0, 5)]) as connection:
        with pytest.raises(ZeroDivisionError):
            async with checkpoints.savepoint(connection):
                raise ZeroDivisionError
    assert await checkpoints.load([0]) == {0: 5}


async def test_saved_positions_only_rise(saved: SavedPositions) -> None:
    assert await saved.load() == {}
    await saved.save({0: 5, 1: 8})
    await saved.save({0: 3, 1: 9})
    assert await saved.load() == {0: 5, 1: 9}


async def test_what_a_service_consumed_is_told_by_its_slowest_consumer(database: str) -> None:
    async with tables_in(database) as pool:
        await PostgresSavedPositions(pool, "counts").save({0: 99})
        for name, position in (("fast", 8), ("slow", 2)):
            checkpoints = PostgresCheckpoints(pool, name, "interactions")
            await checkpoints.load([0])
            async with checkpoints.advance([Step(0, 0, position)]):
                pass
        assert await consumed(pool) == {"interactions": {0: 2}}
