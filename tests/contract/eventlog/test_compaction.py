import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from time import perf_counter

import pytest
from structlog.testing import capture_logs

from libs.eventlog import compaction
from libs.eventlog.append import Appender
from libs.eventlog.compaction import Compactor
from libs.eventlog.event import NewEvent
from libs.eventlog.lazy import LONG_TAIL
from libs.eventlog.snapshots import Compacted, KeyOfTenant, Stored
from libs.telemetry.metrics import Metrics
from tests.support.logs import Store, added, key_of, memory_store, partition_mates, retracted, running
from tests.support.tally import MENDED, POISON, TALLY, Tally
from tests.support.transport import eventually

ANN, BOB, EVE = partition_mates(3)


def key(name: object) -> KeyOfTenant:
    return "demo", key_of(name)


async def append(store: Store, compactor: Compactor[Tally], *events: NewEvent) -> None:
    """As the appender does: the compactor hears of it."""
    compactor.count(events, await store.log.append(events))


async def stored(store: Store, name: object) -> Stored:
    (one,) = await store.snapshots.load([key(name)])
    return one


def total(one: Stored) -> int | None:
    return None if one.state is None else TALLY.decode(one.state).total


def folded_up_to(store: Store, name: object, position: int) -> Callable[[], Awaitable[bool]]:
    async def reached() -> bool:
        return (await stored(store, name)).position == position

    return reached


async def test_a_key_is_due_when_its_tail_is_long_enough(store: Store) -> None:
    compactor = store.compactor(tail=3)
    await append(store, compactor, added(ANN), added(ANN), added(BOB))
    assert compactor.backlog == 0
    await append(store, compactor, added(ANN))
    assert (compactor.backlog, compactor.lag_events) == (1, 3)
    await compactor.compact_all()
    assert (compactor.backlog, compactor.lag_events) == (0, 0)
    assert (total(await stored(store, ANN)), total(await stored(store, BOB))) == (3, None)


async def test_duplicates_make_no_tail_longer(store: Store) -> None:
    compactor = store.compactor(tail=2)
    for _ in range(3):
        await append(store, compactor, added(ANN, id_="o"))
    assert compactor.backlog == 0


async def test_counting_begins_anew_behind_a_snapshot(store: Store) -> None:
    compactor = store.compactor(tail=3)
    await append(store, compactor, *(added(ANN) for _ in range(4)))
    await compactor.compact_all()
    await append(store, compactor, added(ANN), added(ANN))
    assert compactor.backlog == 0
    await append(store, compactor, added(ANN))
    await compactor.compact_all()
    assert total(await stored(store, ANN)) == 7


async def test_compacting_twice_changes_nothing(store: Store) -> None:
    compactor = store.compactor()
    await store.log.append([added(ANN, 4)])
    for _ in range(2):
        compactor.request([key(ANN), key(ANN), key("nobody")])
        await compactor.compact_all()
    assert (total(await stored(store, ANN)), total(await stored(store, "nobody"))) == (4, None)


async def test_a_retraction_is_folded_into_the_snapshot(store: Store) -> None:
    compactor = store.compactor()
    await append(store, compactor, added(ANN, 1), added(ANN, 20), added(ANN, 300))
    await compactor.compact_all()
    await append(store, compactor, retracted(ANN, 2))
    compactor.request([key(ANN)])
    await compactor.compact_all()
    one = await stored(store, ANN)
    assert (total(one), one.position, one.tail) == (301, 4, [])


async def test_two_compactors_at_once_end_in_the_state_of_one(store: Store) -> None:
    names = [f"customer {n}" for n in range(60)]
    for round_ in range(3):
        await store.log.append([added(name, round_) for name in names for _ in range(3)])
        compactors = [store.compactor() for _ in range(2)]
        compactors[0].request(key(name) for name in names)
        compactors[1].request(key(name) for name in reversed(names))
        await asyncio.gather(*(compactor.compact_all() for compactor in compactors))
    for one in await store.snapshots.load([key(name) for name in names]):
        assert (total(one), one.tail) == (9, [])


async def test_a_parked_key_heals_when_its_handler_is_mended(store: Store) -> None:
    await store.log.append([added(ANN, 5), added(ANN, POISON), added(ANN, 7)])
    broken, mended = store.compactor(), store.compactor(MENDED)
    broken.request([key(ANN)])
    await broken.compact_all()
    one = await stored(store, ANN)
    assert (one.parked, total(one), len(one.tail)) == (True, 5, 2)
    mended.request([key(ANN)])
    await mended.compact_all()
    one = await stored(store, ANN)
    assert (one.parked, total(one), one.tail) == (False, 13, [])


async def test_other_keys_flow_on_past_a_parked_one(store: Store) -> None:
    compactor = store.compactor(tail=2)
    await append(store, compactor, added(ANN, POISON), added(BOB), added(ANN), added(BOB))
    await compactor.compact_all()
    assert total(await stored(store, BOB)) == 2


async def test_an_overfull_state_is_folded_anew_and_trimmed(store: Store) -> None:
    def trim(tally: Tally) -> None:
        del tally.positions[:-2]
        tally.trimmed += 1

    bounded = replace(TALLY, overfull=lambda tally: len(tally.positions) > 3, trim=trim)
    compactor = store.compactor(bounded, tail=2)
    for _ in range(2):
        await append(store, compactor, *(added(ANN) for _ in range(4)))
        await compactor.compact_all()
    state = TALLY.decode((await stored(store, ANN)).state or b"")
    assert state == Tally(8, [7, 8], trimmed=1)


async def test_what_the_appender_records_is_compacted_in_the_background(store: Store) -> None:
    compactor = store.compactor(tail=4)
    appender = Appender(store.log, Metrics(), listeners=[compactor.count])
    async with running(appender, compactor):
        for _ in range(4):
            await appender.append([added(ANN)])
        await eventually(folded_up_to(store, ANN, 4))
        assert compactor.lag_seconds == 0


async def test_a_restart_learns_of_tails_that_nobody_counted(store: Store) -> None:
    await store.log.append([added(name) for name in (ANN, ANN, BOB, ANN)])
    async with running(restarted := store.compactor(lag=1_000, tail=3)):
        await eventually(folded_up_to(store, ANN, 4))
        assert total(await stored(store, BOB)) is None
        await append(store, restarted, added(BOB), added(BOB))
        await eventually(folded_up_to(store, BOB, 6))


async def test_a_restart_tries_again_what_an_older_release_parked(store: Store) -> None:
    await store.log.append([added(ANN, POISON)])
    compactor = store.compactor()
    compactor.request([key(ANN)])
    await compactor.compact_all()
    async with running(store.compactor(MENDED, lag=1_000)):
        await eventually(folded_up_to(store, ANN, 1))


async def test_stragglers_are_folded_and_the_horizon_moves(store: Store) -> None:
    await store.log.append([added(ANN), added(BOB), added(EVE)])
    async with running(compactor := store.compactor(lag=1, tail=100)):
        await eventually(folded_up_to(store, BOB, 2))
        assert compactor.backlog == 0

        async def moved() -> bool:
            return not await compactor.horizons.stragglers() and not await compactor.horizons.advance()

        await eventually(moved)
    assert total(await stored(store, EVE)) is None


class Failing:
    """Snapshots that can't be written for a while."""

    def __init__(self, store: Store, failures: int) -> None:
        self._snapshots = store.snapshots
        self.failures = failures

    async def load(self, keys: Sequence[KeyOfTenant]) -> list[Stored]:
        return await self._snapshots.load(keys)

    async def save(self, compacted: Sequence[Compacted]) -> int:
        if self.failures:
            self.failures -= 1
            raise ConnectionResetError
        return await self._snapshots.save(compacted)


async def test_a_database_that_is_away_only_delays_compaction(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compaction, "RETRY_SECONDS", 0.02)
    store = memory_store()
    failing = replace(store, snapshots=Failing(store, failures=2))
    async with running(compactor := failing.compactor(tail=2)):
        await append(store, compactor, added(ANN), added(ANN))
        await eventually(folded_up_to(store, ANN, 2))


async def test_the_lag_is_that_of_the_backlog_and_not_of_the_time_without_one() -> None:
    store = memory_store()
    compactor = store.compactor(tail=1)
    assert compactor.lag_seconds == 0
    began = perf_counter()
    await append(store, compactor, added(ANN))
    assert 0 < compactor.lag_seconds < perf_counter() - began
    await compactor.compact_all()
    assert compactor.lag_seconds == 0


async def test_a_long_tail_that_a_dead_replica_counted_is_compacted_once_somebody_reads_it(store: Store) -> None:
    await store.log.append([added(ANN) for _ in range(LONG_TAIL + 1)])
    await store.log.append([added(BOB) for _ in range(LONG_TAIL)])
    compactor, reader = store.compactor(), store.reader()
    reader.listeners.append(compactor.remember)
    for _ in range(2):
        await reader.read([key(ANN), key(BOB)])
    assert compactor.backlog == 1
    await compactor.compact_all()
    assert (await stored(store, ANN)).tail == []
    await reader.read([key(ANN)])
    assert compactor.backlog == 0


async def test_a_key_that_stands_still_is_not_compacted_for_being_read(store: Store) -> None:
    compactor, reader = store.compactor(), store.reader()
    await store.log.append([added(ANN, POISON)])
    compactor.request([key(ANN)])
    await compactor.compact_all()
    await store.log.append([added(ANN) for _ in range(LONG_TAIL + 1)])
    reader.listeners.append(compactor.remember)
    await reader.read([key(ANN)])
    assert compactor.backlog == 0


async def test_tails_stay_bounded_however_often_replicas_die_and_are_replaced(store: Store) -> None:
    """Every replica hears a part of the appends; one that dies takes its counts along, one that starts counts anew."""
    tail, alive = 4, 3
    replicas = [store.compactor(lag=1_000, tail=tail) for _ in range(alive)]
    longest = 0
    for turn in range(120):
        await append(store, replicas[turn % alive], added(ANN), added(BOB))
        for replica in replicas:
            await replica.compact_all()
        if turn % 7 == 0:
            replicas[turn % alive] = new = store.compactor(lag=1_000, tail=tail)
            for tenant, name, count in await new.horizons.tails():
                new.remember((tenant, name), count)
        longest = max(longest, len((await stored(store, ANN)).tail), len((await stored(store, BOB)).tail))
    assert longest <= alive * tail


async def test_no_more_keys_are_parked_than_may_be_and_the_others_are_read_as_well_as_before(store: Store) -> None:
    names, metrics = (ANN, BOB, EVE), Metrics()
    await store.log.append([added(name, amount) for name in names for amount in (1, POISON, 2)])
    compactor = Compactor(store.reader(), store.horizons_behind(0), metrics, parked_keys=2)
    compactor.request(map(key, names))
    with capture_logs() as logs:
        await compactor.compact_all()
    assert [one["event"] for one in logs] == ["parking_full"]
    assert metrics.registry.get_sample_value("portrait_parking_full", {"projection": "tally"}) == 1
    assert [(await stored(store, name)).parked for name in names].count(True) == 2
    for folded in await store.reader().read([key(name) for name in names]):
        assert (folded.state.total, folded.parked is not None) == (1, True)
    mended = Compactor(store.reader(MENDED), store.horizons_behind(0), metrics, parked_keys=2)
    mended.request(map(key, names))
    await mended.compact_all()
    for one in [await stored(store, name) for name in names]:
        assert (one.parked, one.tail, total(one)) == (False, [], 4)
