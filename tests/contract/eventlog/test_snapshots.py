import pytest

from libs.eventlog.projection import Parked
from libs.eventlog.snapshots import Compacted, Stored
from tests.support.logs import NOON, Store, added, key_of, partition_mates

ANN, BOB = partition_mates(2)


def folded(name: object, position: int, expected: int | None = None, tenant: str = "demo") -> Compacted:
    return Compacted(tenant, key_of(name), expected, position, NOON, b"state at %d" % position)


async def load(store: Store, *names: object) -> list[Stored]:
    return await store.snapshots.load([("demo", key_of(name)) for name in names])


@pytest.fixture
async def four_of_ann(store: Store) -> Store:
    await store.log.append([added(ANN, n) for n in range(4)])
    return store


async def test_a_key_without_snapshot_has_its_whole_log_as_tail(four_of_ann: Store) -> None:
    (stored,) = await load(four_of_ann, ANN)
    assert (stored.state, stored.position, stored.parked) == (None, 0, False)
    assert [int(recorded.event.payload) for recorded in stored.tail] == [0, 1, 2, 3]
    assert [recorded.recorded_at for recorded in stored.tail] == [NOON] * 4


async def test_a_snapshot_cuts_the_tail(four_of_ann: Store) -> None:
    assert await four_of_ann.snapshots.save([folded(ANN, 3)]) == 1
    (stored,) = await load(four_of_ann, ANN)
    assert (stored.state, stored.position, stored.recorded_at) == (b"state at 3", 3, NOON)
    assert [recorded.position for recorded in stored.tail] == [4]


async def test_keys_come_in_the_order_asked_for_and_unknown_ones_are_empty(four_of_ann: Store) -> None:
    await four_of_ann.log.append([added(BOB)])
    stored = await load(four_of_ann, BOB, "nobody", ANN, BOB)
    assert [len(one.tail) for one in stored] == [1, 0, 4, 1]


async def test_no_keys_are_no_trouble(store: Store) -> None:
    assert await load(store) == []
    assert await store.snapshots.save([]) == 0


async def test_a_snapshot_is_replaced_only_if_it_is_the_one_that_was_read(four_of_ann: Store) -> None:
    await four_of_ann.snapshots.save([folded(ANN, 2)])
    assert await four_of_ann.snapshots.save([folded(ANN, 1, expected=None)]) == 0
    assert await four_of_ann.snapshots.save([folded(ANN, 4, expected=1)]) == 0
    assert await four_of_ann.snapshots.save([folded(ANN, 3, expected=2), folded(BOB, 9)]) == 2
    (stored,) = await load(four_of_ann, ANN)
    assert stored.state == b"state at 3"


async def test_a_parked_snapshot_says_so_until_it_is_replaced(four_of_ann: Store) -> None:
    (before,) = await load(four_of_ann, ANN)
    parked = Compacted("demo", key_of(ANN), None, 1, NOON, b"before", parked=Parked(before.tail[1], "broken"))
    await four_of_ann.snapshots.save([parked])
    (stored,) = await load(four_of_ann, ANN)
    assert stored.parked
    assert [recorded.position for recorded in stored.tail] == [2, 3, 4]
    await four_of_ann.snapshots.save([folded(ANN, 4, expected=1)])
    (healed,) = await load(four_of_ann, ANN)
    assert not healed.parked


async def test_another_tenant_sees_neither_snapshot_nor_tail(four_of_ann: Store) -> None:
    # pitfall 30
    await four_of_ann.snapshots.save([folded(ANN, 2)])
    (stored,) = await four_of_ann.snapshots.load([("other", key_of(ANN))])
    assert (stored.state, stored.position, stored.tail) == (None, 0, [])
