import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import asyncpg
import pytest

from libs.eventlog.archive import Archive
from libs.eventlog.archive_files import ArchiveDiffers, ArchiveFiles
from libs.eventlog.archiver import DAY
from libs.eventlog.event import partition_of
from libs.runtime.errors import FailedPrecondition, Unavailable
from tests.support.archived import MINUTE, Aged
from tests.support.killer import Killed, Killer
from tests.support.logs import NOON, Database, added, key_of, partition_mates, running
from tests.support.tally import MENDED
from tests.support.transport import eventually


@pytest.fixture
async def aged(log_database: Database, own_folder: Path) -> Aged:
    """Three ranges that are over and folded, and one that is being written."""
    aged = await Aged.filled(log_database, own_folder)
    await aged.fold()
    return aged


async def test_a_log_says_the_same_from_archives_as_from_its_table(aged: Aged) -> None:
    before, tables = await aged.said(), await aged.tables()
    await aged.archived()
    assert await aged.tables() < tables
    assert await aged.database.pool.fetchval("SELECT count(*) FROM log") == 0
    assert await aged.said() == before


async def test_what_comes_later_is_read_behind_what_is_archived(aged: Aged) -> None:
    await aged.archived()
    heads = await aged.log.heads()
    appended = await aged.log.append([added(name, 5) for name in aged.names])
    assert all(one.position > heads[one.partition] for one in appended)
    (first, *_) = aged.names
    recorded = await aged.log.read_key("demo", key_of(first))
    positions = [one.position for one in recorded]
    assert positions == sorted(set(positions))
    assert (recorded[0].event.payload, recorded[-1].event.payload) == (b"00", b"5")
    partition = partition_of(key_of(first), 4)
    (batch,) = await aged.log.read({partition: heads[partition] - 2})
    assert (batch.first_position, batch.last_position) == (heads[partition] - 1, heads[partition] + 3)
    await aged.fold()
    await aged.said()


async def test_a_range_stays_until_it_is_old_enough(aged: Aged) -> None:
    before = await aged.tables()
    assert not await aged.archiver(days=3).step()
    aged.store.clock.advance(3 * DAY)
    while await aged.archiver(days=3).step():
        pass
    assert await aged.tables() < before


async def test_a_range_stays_until_every_projection_has_folded_it(log_database: Database, own_folder: Path) -> None:
    aged = await Aged.filled(log_database, own_folder)
    assert not await aged.archiver().step()  # nobody has begun to fold
    assert not await aged.archiver(projections=["tally", "yet to come"]).step()
    await aged.fold()
    assert not await aged.archiver(projections=["tally", "yet to come"]).step()
    await log_database.pool.execute("INSERT INTO projection_horizons SELECT 'slow', partition, 1 FROM log_heads")
    assert not await aged.archiver().step()
    await log_database.pool.execute("DELETE FROM projection_horizons WHERE projection = 'slow'")
    assert await aged.archiver().step()


async def test_horizons_move_over_a_range_that_is_due_however_near_the_head(
    log_database: Database, own_folder: Path
) -> None:
    aged = await Aged.filled(log_database, own_folder)
    far = aged.store.horizons_behind(500_000)
    await far.tails()
    assert await far.stragglers() == []
    assert not await aged.archiver().step()  # but it has sealed the oldest range
    assert set(await far.stragglers()) == {("demo", key_of(name)) for name in aged.names}
    await aged.store.fold(*aged.names)
    while await far.advance():
        pass
    assert await aged.archiver().step()


async def test_a_replica_whose_clock_is_behind_records_nothing_in_a_range_that_is_over(aged: Aged) -> None:
    # pitfall 2: else the range would change under the archiver, or the append find no range at all
    await aged.archived()
    last = await aged.database.pool.fetchval("SELECT max(end_at) FROM log_archives")
    aged.store.clock.set(NOON)
    places = await aged.log.append([added(name) for name in [*aged.names, *partition_mates(9, 3)]])
    assert len(places) == len(aged.names) + 9
    assert await aged.database.pool.fetchval("SELECT min(recorded_at) FROM log") >= last


async def test_reading_the_present_never_looks_into_archives(aged: Aged, monkeypatch: pytest.MonkeyPatch) -> None:
    await aged.archived()
    await aged.log.append([added(name, 5) for name in aged.names])

    async def looked(*_: object) -> None:
        raise AssertionError("an archive was read")

    monkeypatch.setattr(Archive, "_look", looked)
    known = [("demo", key_of(name)) for name in aged.names]
    unknown = [("demo", key_of(f"new {n}")) for n in range(20)]
    read = await aged.store.reader().read([*known, *unknown])
    assert [one.position > 0 for one in read] == [True] * len(known) + [False] * len(unknown)
    await aged.log.append([added(f"new {n}", 7) for n in range(20)])
    assert [one.state.total for one in await aged.store.reader().read(unknown)] == [7] * 20
    heads = await aged.log.heads()
    assert await aged.log.read(heads) == []
    assert all(len(batch.events) == 1 for batch in await aged.log.read({p: at - 1 for p, at in heads.items()}))


async def test_a_key_that_stands_still_is_read_from_the_archive(log_database: Database, own_folder: Path) -> None:
    aged = await Aged.filled(log_database, own_folder, poison=True)
    await aged.fold()
    before = await aged.said()
    await aged.archived()
    assert await log_database.pool.fetchval("SELECT count(*) FROM log") == 0
    assert await aged.said() == before
    parked = ("demo", key_of(aged.names[1]))
    (read,) = await aged.store.reader().read([parked])
    assert read.parked is not None
    await aged.store.fold(aged.names[1], projection=MENDED)
    (stored,) = await aged.store.snapshots.load([parked])
    assert (stored.parked, stored.tail) == (False, [])


async def test_snapshots_that_were_thrown_away_come_back_from_archives(aged: Aged) -> None:
    before = await aged.said()
    await aged.archived()
    for table in ("portraits", "projection_horizons", "dead_letters"):
        await aged.database.pool.execute(f"DELETE FROM {table}")
    assert await aged.said() == before
    horizons = aged.store.horizons_behind(500_000)
    await horizons.tails()
    assert not await horizons.advance()  # not before everybody is folded
    assert set(await horizons.stragglers()) == {("demo", key_of(name)) for name in aged.names}
    async with running(aged.store.compactor(lag=500_000)):
        await eventually(lambda: moved(aged))
    assert await aged.said() == before
    assert await aged.database.pool.fetchval("SELECT count(*) FROM portraits") == len(aged.names)


async def moved(aged: Aged) -> bool:
    behind = """
        SELECT count(*) FROM projection_horizons AS horizon JOIN log_archives AS file USING (partition)
        WHERE file.last_position > horizon.position"""
    return not await aged.database.pool.fetchval(behind)


async def test_replicas_that_archive_at_once_leave_one_file_each(aged: Aged, own_folder: Path) -> None:
    before = await aged.said()

    async def work() -> None:
        while await aged.tables() > 1:
            await aged.archiver().step()

    await asyncio.gather(*(work() for _ in range(4)))
    assert await aged.said() == before
    assert aged.files_there(own_folder) == await aged.files()
    assert len(await aged.files()) == 12


async def test_readers_never_meet_a_moment_without_a_range_or_with_two(aged: Aged) -> None:
    before, done, passes = await aged.said(), asyncio.Event(), 0

    async def read() -> None:
        nonlocal passes
        while not done.is_set():
            assert await aged.said() == before
            passes += 1

    readers = [asyncio.ensure_future(read()) for _ in range(3)]
    while await aged.tables() > 1:
        if not await aged.archiver().step():
            await asyncio.sleep(0.01)
    done.set()
    await asyncio.gather(*readers)
    assert passes >= 3


async def test_a_reader_that_takes_long_only_delays_the_archiver(aged: Aged) -> None:
    runs = aged.log.keys_in_order(0, 100)
    await anext(runs)
    assert not await aged.archiver().step()
    await runs.aclose()
    async with aged.database.pool.acquire() as connection, connection.transaction():
        await connection.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        await connection.execute("SELECT count(*) FROM log")
        for _ in range(10):
            await aged.archiver().step()
        assert await aged.files() == []
        await asyncio.wait_for(aged.log.append([added("ann")]), 60)
    await aged.archived()
    assert len(await aged.files()) == 12


async def test_a_file_that_is_not_what_was_written_leaves_the_log_as_it_was(
    aged: Aged, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, rows = await aged.said(), ArchiveFiles.rows

    def lossy(self: ArchiveFiles, path: str) -> object:
        for some in rows(self, path):
            yield some[1:]

    monkeypatch.setattr(ArchiveFiles, "rows", lossy)
    with pytest.raises(ArchiveDiffers):
        await aged.archived()
    assert await aged.files() == []
    monkeypatch.undo()
    await aged.archived()
    assert await aged.said() == before


async def break_first(aged: Aged, folder: Path, damage: Callable[[Path], object]) -> Awaitable[object]:
    await aged.archived()
    path, *_ = await aged.files()
    damage(folder / path)
    return aged.said()


async def test_an_archive_that_is_missing_is_an_outage_and_no_shorter_log(aged: Aged, own_folder: Path) -> None:
    with pytest.raises(Unavailable, match="missing"):
        await (await break_first(aged, own_folder, lambda path: path.unlink()))


async def test_an_archive_that_is_damaged_is_noticed(aged: Aged, own_folder: Path) -> None:
    def flip(path: Path) -> None:
        data = bytearray(path.read_bytes())
        data[200] ^= 0xFF
        path.write_bytes(data)

    with pytest.raises((Unavailable, OSError)):
        await (await break_first(aged, own_folder, flip))


async def test_a_service_that_was_not_told_where_archives_are_says_so(aged: Aged) -> None:
    await aged.archived()
    blind = aged.database.log(aged.store.clock)
    with pytest.raises(FailedPrecondition, match="ARCHIVE"):
        await blind.read({0: 0})


async def test_the_loop_archives_what_becomes_due(aged: Aged) -> None:
    async def done() -> bool:
        return await aged.tables() == 1

    async with running(aged.archiver()):
        await eventually(done)


async def test_an_empty_range_leaves_no_file(log_database: Database, own_folder: Path) -> None:
    aged = await Aged.filled(log_database, own_folder, ranges=0)
    await aged.log.cover()
    aged.store.clock.advance(90 * MINUTE)
    await aged.log.cover()
    await aged.archived()
    assert await aged.files() == []
    await log_database.store.log.append([added("ann")])


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_an_archiver_killed_at_any_step_loses_nothing_and_another_goes_on(
    log_database: Database, own_folder: Path, monkeypatch: pytest.MonkeyPatch, *, after: bool
) -> None:
    aged = await Aged.filled(log_database, own_folder, ranges=2)
    await aged.fold()
    before, step = await aged.said(), 0
    while await aged.tables() > 1:
        step += 1
        assert step < 200
        with monkeypatch.context() as patch:
            Killer(patch, step, after=after)
            with suppress(Killed, asyncpg.InterfaceError):  # the latter where a transaction of the dead is left
                await aged.archived()
        assert await aged.said() == before
    assert step > 20
    assert aged.files_there(own_folder) == await aged.files()
