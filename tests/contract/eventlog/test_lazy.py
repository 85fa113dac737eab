from hypothesis import HealthCheck, given, settings

from tests.support.histories import Move, Play, histories
from tests.support.logs import NOON, Store, added, key_of, memory_store, retracted
from tests.support.tally import MENDED, POISON, Tally

ANN = ("demo", key_of("ann"))


async def test_a_read_is_fresh_at_the_acknowledgement(store: Store) -> None:
    for total in range(1, 4):
        await store.log.append([added("ann")])
        (read,) = await store.reader().read([ANN])
        assert (read.state.total, read.position) == (total, total)


async def test_a_key_that_the_log_has_nothing_of_stands_at_position_zero(store: Store) -> None:
    (read,) = await store.reader().read([ANN])
    assert (read.state, read.position, read.recorded_at, read.parked) == (Tally(), 0, 0, None)


async def test_a_retraction_reaches_behind_the_snapshot(store: Store) -> None:
    (first, _) = await store.log.append([added("ann", 1), added("ann", 20)])
    compactor = store.compactor()
    compactor.request([ANN])
    await compactor.compact_all()
    await store.log.append([retracted("ann", first.position)])
    (read,) = await store.reader().read([ANN])
    assert read.state.total == 20


async def test_a_read_of_a_parked_key_says_so_and_a_mended_release_reads_on(store: Store) -> None:
    await store.log.append([added("ann", 5), added("ann", POISON), added("ann", 7)])
    compactor = store.compactor()
    compactor.request([ANN])
    await compactor.compact_all()
    (read,) = await store.reader().read([ANN])
    assert (read.state.total, read.position) == (5, 1)
    assert read.parked is not None
    (mended,) = await store.reader(MENDED).read([ANN])
    assert (mended.state.total, mended.position, mended.parked) == (13, 3, None)


async def test_the_past_is_read_as_it_was_and_as_it_was_known(store: Store) -> None:
    await store.log.append([added("ann", 1, at=NOON - 30)])
    store.clock.advance(10)
    await store.log.append([added("ann", 2, at=NOON - 50)])
    store.clock.advance(10)
    await store.log.append([retracted("ann", 1)])
    reader = store.reader()
    assert (await reader.read_at(ANN, as_of=NOON - 40)).state.total == 2
    assert (await reader.read_at(ANN, as_of=NOON)).state.total == 2
    assert [(await reader.read_at(ANN, known_at=NOON + at)).state.total for at in (-1, 0, 10, 20)] == [0, 1, 3, 2]
    assert await reader.read_at(ANN) == (await reader.read([ANN]))[0]


@settings(max_examples=150)
@given(histories())
async def test_a_read_in_memory_is_a_fold_of_the_whole_log_whatever_happened(moves: list[Move]) -> None:
    await Play.on(memory_store()).through(moves)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(histories())
async def test_a_read_in_postgresql_is_a_fold_of_the_whole_log_whatever_happened(
    postgres_store: Store, moves: list[Move]
) -> None:
    await Play.on(postgres_store).through(moves)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(histories())
async def test_a_read_of_a_log_half_archived_is_a_fold_of_all_of_it_whatever_happened(
    archived_store: Store, moves: list[Move]
) -> None:
    await Play.on(archived_store).through(moves)
