"""Erasing, whichever store keeps the log and wherever it keeps it."""

import pytest

from libs.eventlog.projection import BLANKED
from libs.runtime.errors import InvalidArgument
from tests.support.logs import NOON, Store, added, key_of, partition_mates, retracted

ANN = ("demo", key_of("ann"))


async def payloads(store: Store, name: object = "ann") -> list[bytes]:
    recorded = await store.log.read_key("demo", key_of(name))
    return [one.event.payload for one in recorded if one.event.type != BLANKED]


async def total(store: Store, name: object = "ann") -> int:
    (read,) = await store.reader().read([("demo", key_of(name))])
    return read.state.total


async def test_all_that_a_key_said_is_gone_and_its_places_stay(store: Store) -> None:
    ann, bob = partition_mates(2)
    await store.log.append([added(name, amount) for amount in (1, 2, 4) for name in (ann, bob)])
    assert await store.blank(ann) == 3
    assert await payloads(store, ann) == [b"", b"", b""]
    assert await payloads(store, bob) == [b"1", b"2", b"4"]
    assert (await total(store, ann), await total(store, bob)) == (0, 7)
    assert [one.type for one in (await store.events())[0]] == ["added"] * 6 + [BLANKED]


async def test_only_what_is_named_is_erased(store: Store) -> None:
    await store.log.append([added("ann", amount) for amount in (1, 2, 4)])
    assert await store.blank("ann", 2) == 1
    assert await payloads(store) == [b"1", b"", b"4"]
    assert await total(store) == 5


async def test_what_comes_after_an_erasure_counts(store: Store) -> None:
    await store.log.append([added("ann", 1)])
    await store.blank("ann")
    await store.log.append([added("ann", 8)])
    assert await total(store) == 8


async def test_erasing_again_changes_nothing(store: Store) -> None:
    await store.log.append([added("ann", amount) for amount in (1, 2)])
    assert [await store.blank("ann", 1), await store.blank("ann", 1), await store.blank("ann")] == [1, 0, 1]
    assert await store.blank("ann") == 0
    assert len(await store.log.read_key(*ANN)) == 4


async def test_a_snapshot_tells_nothing_that_was_erased(store: Store) -> None:
    await store.log.append([added("ann", amount) for amount in (1, 2)])
    await store.fold("ann")
    await store.blank("ann", 1)
    await store.fold("ann")
    (stored,) = await store.snapshots.load([ANN])
    assert stored.state is not None
    assert (b'"total":2' in stored.state, stored.tail) == (True, [])


async def test_what_was_erased_was_never_known(store: Store) -> None:
    await store.log.append([added("ann", 1, at=NOON - 9)])
    store.clock.advance(10)
    await store.log.append([added("ann", 2, at=NOON - 5)])
    store.clock.advance(10)
    await store.blank("ann", 1)
    reader = store.reader()
    assert (await reader.read_at(ANN, as_of=NOON - 5)).state.total == 2
    assert [(await reader.read_at(ANN, known_at=NOON + at)).state.total for at in (0, 10, 20)] == [0, 2, 2]


async def test_a_retraction_outlives_what_it_took_back(store: Store) -> None:
    await store.log.append([added("ann", 1), added("ann", 2)])
    await store.log.append([retracted("ann", 1)])
    assert await store.blank("ann") == 2
    assert await total(store) == 0
    assert (await payloads(store))[2] != b""


@pytest.mark.parametrize(("position", "why"), [(9, "9 is no event of this key"), (2, "2 is 'retracted'")])
async def test_a_position_that_can_not_be_erased_is_named(store: Store, position: int, why: str) -> None:
    await store.log.append([added("ann", 1)])
    await store.log.append([retracted("ann", 1)])
    with pytest.raises(InvalidArgument, match=why):
        await store.blank("ann", position)
    assert (await payloads(store))[0] == b"1"


async def test_nothing_of_another_tenant_is_erased(store: Store) -> None:
    await store.log.append([added("ann", 1)])
    assert await store.blank("ann", tenant="other") == 0
    assert await total(store) == 1


async def test_an_id_that_was_erased_does_not_come_back(store: Store) -> None:
    # pitfall 20: a producer that sends it again
    said = added("ann", 1, id_="said")
    await store.log.append([said])
    await store.blank("ann")
    assert [one.duplicate for one in await store.log.append([said])] == [True]
    assert await total(store) == 0
