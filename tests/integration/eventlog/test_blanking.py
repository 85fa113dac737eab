import asyncio
from contextlib import suppress
from pathlib import Path

import asyncpg
import pytest
from pyarrow import ArrowInvalid

from libs.eventlog.archive_files import ArchiveFiles
from libs.eventlog.ranges import Ranges
from libs.eventlog.upkeep import Upkeep
from libs.runtime.errors import Unavailable
from libs.telemetry.metrics import Metrics
from tests.support.archived import Aged
from tests.support.killer import Killed, Killer
from tests.support.logs import Database, added, key_of, running
from tests.support.tally import POISON, Tally
from tests.support.transport import eventually

SECRET = 987_654_321


async def secretive(database: Database, folder: Path, customers: int) -> Aged:
    """Everybody said something secret, in a range that is archived now, and again in one that is a table."""
    aged = await Aged.filled(database, folder, ranges=1, customers=customers)
    await aged.log.append([added(name, SECRET, id_=f"first {name}") for name in aged.names])
    await aged.fold()
    await aged.archived()
    aged.store.clock.advance(10**12)
    await aged.log.append([added(name, SECRET, id_=f"second {name}") for name in aged.names])
    await aged.fold()
    return aged


@pytest.fixture
async def aged(log_database: Database, own_folder: Path) -> Aged:
    return await secretive(log_database, own_folder, customers=3)


async def payloads(aged: Aged, name: int) -> list[bytes]:
    return [one.event.payload for one in await aged.log.read_key("demo", key_of(name)) if one.event.type == "added"]


async def total(aged: Aged, name: int) -> int:
    (read,) = await aged.store.reader().read([("demo", key_of(name))])
    return read.state.total


def kept_in(aged: Aged, folder: Path) -> bytes:
    """Every event of every file that lies in the archives' folder."""
    files = ArchiveFiles(str(folder))
    return b"".join(row[-1] for path in aged.files_there(folder) for rows in files.rows(path) for row in rows)


async def kept(aged: Aged, folder: Path) -> int:
    """How often a secret still stands somewhere, in the log, in snapshots, in dead letters or in files."""
    count = kept_in(aged, folder).count(str(SECRET).encode())
    for table, column in (("log", "event"), ("portraits", "state"), ("dead_letters", "event")):
        for row in await aged.database.pool.fetch(f"SELECT {column} AS data FROM {table}"):
            count += row["data"].count(str(SECRET).encode())
    return count


async def test_what_is_archived_is_erased_like_what_is_in_the_table(aged: Aged, own_folder: Path) -> None:
    ann, *others = aged.names
    before = [await total(aged, name) for name in others]
    everything = await kept(aged, own_folder)
    assert await aged.store.blank(ann) == 6
    assert await payloads(aged, ann) == [b""] * 6
    assert await total(aged, ann) == 0
    assert [await total(aged, name) for name in others] == before
    assert await kept(aged, own_folder) == everything - 2
    assert aged.files_there(own_folder) == await aged.files()


async def test_a_file_that_holds_nothing_of_the_key_is_left_alone(aged: Aged) -> None:
    before = set(await aged.files())
    await aged.store.blank(aged.names[0])
    assert len(before - set(await aged.files())) == 1


async def test_rebuilding_from_zero_brings_nothing_back(aged: Aged) -> None:
    # pitfall 20
    ann, bob, *_ = aged.names
    await aged.store.blank(ann)
    before = [await total(aged, name) for name in (ann, bob)]
    for table in ("portraits", "projection_horizons", "dead_letters"):
        await aged.database.pool.execute(f"DELETE FROM {table}")
    await aged.store.fold(*aged.names)
    assert [await total(aged, name) for name in (ann, bob)] == before
    (stored, _) = await aged.store.snapshots.load([("demo", key_of(name)) for name in (ann, bob)])
    assert str(SECRET).encode() not in (stored.state or b"")
    runs = [run async for run in aged.log.keys_in_order(0, 10**6) if run.key == key_of(ann)]
    assert not any(str(SECRET).encode() in one.event.payload for run in runs for one in run.events)
    assert [one.duplicate for one in await aged.log.append([added(ann, SECRET, id_=f"first {ann}")])] == [True]


async def test_no_letter_about_a_key_keeps_what_was_erased(aged: Aged, own_folder: Path) -> None:
    ann = aged.names[0]
    await aged.log.append([added(ann, f"{POISON} {SECRET}")])
    await aged.store.fold(ann)
    assert await aged.database.pool.fetchval("SELECT count(*) FROM dead_letters") == 1
    before = await kept(aged, own_folder)
    await aged.store.blank(ann)
    assert await kept(aged, own_folder) <= before - 3
    (read,) = await aged.store.reader().read([("demo", key_of(ann))])
    assert (read.state, read.parked) == (Tally(), None)


async def test_the_log_can_be_changed_by_nobody_afterwards(aged: Aged) -> None:
    await aged.store.blank(aged.names[0])
    for statement in ("UPDATE log SET event = ''", "UPDATE log SET tenant = ''", "DELETE FROM log"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await aged.database.pool.execute(statement)


async def test_more_than_one_event_can_name_is_erased_in_several(
    aged: Aged, monkeypatch: pytest.MonkeyPatch, own_folder: Path
) -> None:
    monkeypatch.setattr("libs.eventlog.blanking.POSITIONS_AT_ONCE", 4)
    everything = await kept(aged, own_folder)
    assert await aged.store.blank(aged.names[0]) == 6
    assert await kept(aged, own_folder) == everything - 2
    assert await aged.database.pool.fetchval("SELECT count(*) FROM log_blanks WHERE done_at > 0") == 2


async def test_while_archives_are_read_a_person_is_erased_from_all_that_is_shown_and_later_from_files(
    aged: Aged, own_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("libs.eventlog.blanking.LOCK_WAIT", "50ms")
    ann, everything = aged.names[0], await kept(aged, own_folder)
    reading = aged.log.keys_in_order(3, 10**6)
    await anext(reading)
    assert await aged.store.blank(ann) == 6
    assert await total(aged, ann) == 0
    assert await aged.store.blank(ann) == 0
    await reading.aclose()
    upkeep = Upkeep(
        aged.database.pool, Ranges(aged.database.pool), aged.store.clock, 7, Metrics(), aged.store.blanking()
    )

    async def done() -> bool:
        try:
            return await kept(aged, own_folder) == everything - 2
        except (FileNotFoundError, ArrowInvalid):  # one is half written, or has got its name since
            return False

    async with running(upkeep):
        await eventually(done)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_erasing_killed_at_any_step_is_brought_to_its_end(
    log_database: Database, own_folder: Path, monkeypatch: pytest.MonkeyPatch, *, after: bool
) -> None:
    aged = await secretive(log_database, own_folder, customers=20)
    everything, whole = await kept(aged, own_folder), await total(aged, aged.names[0])
    for step, name in enumerate(aged.names, 1):
        with monkeypatch.context() as patch:
            killer = Killer(patch, step, after=after)
            with suppress(Killed, asyncpg.InterfaceError, Unavailable):
                await aged.store.blank(name)
        assert await total(aged, name) in {0, whole}  # all of it, or nothing
        await aged.store.blank(name)
        assert await total(aged, name) == 0
        assert await kept(aged, own_folder) == everything - 2 * step
        if killer.left > 0:
            break
    assert 20 < step < len(aged.names)
    assert aged.files_there(own_folder) == await aged.files()
    assert await total(aged, aged.names[-1]) == whole


async def test_two_people_erased_at_once_are_both_erased(aged: Aged, own_folder: Path) -> None:
    everything = await kept(aged, own_folder)
    await asyncio.gather(*(aged.store.blank(name) for name in aged.names[:4]))
    assert await kept(aged, own_folder) == everything - 8


async def test_an_erasure_and_an_archiver_do_not_undo_each_other(aged: Aged, own_folder: Path) -> None:
    aged.store.clock.advance(10**12)
    await aged.log.cover()
    everything = await kept(aged, own_folder)

    async def archive() -> None:
        while await aged.tables() > 1:
            await aged.archiver().step()
            await asyncio.sleep(0)

    async def erase() -> None:
        for name in aged.names[:5]:
            await aged.store.blank(name)

    async def fold() -> None:
        while await aged.tables() > 1:
            await aged.fold()

    await asyncio.gather(archive(), erase(), fold())
    await aged.store.blanking().finish()
    assert await kept(aged, own_folder) == everything - 10
    assert aged.files_there(own_folder) == await aged.files()


async def test_a_database_restored_to_before_an_erasure_reads_what_is_there_now(aged: Aged, own_folder: Path) -> None:
    ann, bob, *_ = aged.names
    before = await aged.database.pool.fetch("SELECT start_at, partition, path FROM log_archives")
    await aged.store.blank(ann)
    for start_at, partition, path in before:  # as a restore would
        await aged.database.pool.execute(
            "UPDATE log_archives SET path = $3 WHERE start_at = $1 AND partition = $2", start_at, partition, path
        )
    assert await payloads(aged, ann) == [b""] * 6
    assert [run async for run in aged.log.keys_in_order(0, 10**6) if run.key == key_of(ann)]
    assert len([one async for one in aged.log.stream(0, 0)]) > 0
    assert await aged.store.blank(bob) == 6
    assert await payloads(aged, bob) == [b""] * 6
