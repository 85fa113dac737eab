from tests.support.logs import Store, added, key_of, partition_mates
from tests.support.tally import POISON

ANN, BOB, EVE = partition_mates(3)


async def compact(store: Store, *names: object) -> None:
    compactor = store.compactor()
    compactor.request([("demo", key_of(name)) for name in names])
    await compactor.compact_all()


async def test_tails_are_counted_behind_the_snapshots(store: Store) -> None:
    await store.log.append([added(ANN), added(ANN), added(BOB)])
    await compact(store, ANN)
    await store.log.append([added(ANN), added(EVE, tenant="other")])
    tails = await store.horizons_behind(0).tails()
    assert sorted(tails) == sorted([("demo", key_of(ANN), 1), ("demo", key_of(BOB), 1), ("other", key_of(EVE), 1)])


async def test_stragglers_are_those_whose_events_lie_far_back(store: Store) -> None:
    horizons = store.horizons_behind(2)
    await horizons.tails()
    await store.log.append([added(ANN), added(BOB), added(BOB), added(EVE)])
    assert sorted(await horizons.stragglers()) == sorted([("demo", key_of(ANN)), ("demo", key_of(BOB))])
    await compact(store, BOB)
    assert await horizons.stragglers() == [("demo", key_of(ANN))]


async def test_a_horizon_moves_once_nothing_behind_it_is_unfolded(store: Store) -> None:
    horizons = store.horizons_behind(1)
    await horizons.tails()
    await store.log.append([added(ANN), added(BOB), added(EVE)])
    await compact(store, ANN)
    assert not await horizons.advance()
    await compact(store, BOB)
    assert await horizons.advance()
    assert not await horizons.advance()
    assert await horizons.tails() == [("demo", key_of(EVE), 1)]


async def test_a_parked_key_holds_up_no_horizon_and_is_not_forgotten(store: Store) -> None:
    horizons = store.horizons_behind(0)
    await horizons.tails()
    await store.log.append([added(ANN, 1), added(ANN, POISON), added(BOB)])
    await compact(store, ANN, BOB)
    assert await horizons.stragglers() == []
    assert await horizons.advance()
    assert await horizons.tails() == []
    assert await horizons.parked() == [("demo", key_of(ANN))]
