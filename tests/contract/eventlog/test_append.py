import asyncio
from itertools import pairwise

import pytest

from libs.eventlog.event import Appended
from libs.runtime.clock import SECOND
from tests.support.logs import NOON, Store, added, id_of, key_of, partition_mates, places


async def test_positions_are_gapless_in_every_partition(store: Store) -> None:
    for call in range(5):
        await store.log.append([added(name) for name in range(call, call + 20)])
    events = await store.events()
    assert {partition: len(run) for partition, run in events.items()} == await store.log.heads()
    assert sum(map(len, events.values())) == 100


async def test_an_append_answers_with_the_places_of_its_events(store: Store) -> None:
    names = partition_mates(2, partition=1) + partition_mates(1, partition=3)
    appended = await store.log.append([added(name, id_=name) for name in names])
    assert appended == [Appended(1, 1), Appended(1, 2), Appended(3, 1)]
    events = await store.events()
    assert [event.id for event in events[1]] == [id_of(name) for name in names[:2]]


async def test_nothing_appended_leaves_nothing(store: Store) -> None:
    assert await store.log.append([]) == []
    assert set((await store.log.heads()).values()) == {0}


async def test_a_duplicate_is_told_the_place_of_the_first(store: Store) -> None:
    first = await store.log.append([added("ann", id_="order 1"), added("bob", id_="order 2")])
    again = await store.log.append([added("bob", id_="order 2"), added("eve"), added("ann", id_="order 1")])
    assert places([again[2], again[0]]) == places(first)
    assert [one.duplicate for one in again] == [True, False, True]
    assert sum((await store.log.heads()).values()) == 3


async def test_a_duplicate_within_one_call_counts_once(store: Store) -> None:
    first, second, other = await store.log.append([added("ann", id_="o"), added("ann", id_="o"), added("ann", id_="p")])
    assert places([first]) == places([second])
    assert [first.duplicate, second.duplicate, other.duplicate] == [False, True, False]
    assert other.position == first.position + 1


async def test_the_same_object_twice_in_a_call_counts_once(store: Store) -> None:
    event = added("ann")
    first, second = await store.log.append([event, event])
    assert [first.duplicate, second.duplicate] == [False, True]
    assert places([first]) == places([second])


async def test_a_duplicate_is_found_in_another_partition(store: Store) -> None:
    here, there = partition_mates(1, 0)[0], partition_mates(1, 2)[0]
    (first,) = await store.log.append([added(here, id_="order 1")])
    (again,) = await store.log.append([added(there, id_="order 1")])
    assert again == Appended(first.partition, first.position, duplicate=True)
    assert not (await store.events())[2]


@pytest.mark.parametrize("digest", [0, 1, 2**31 - 1, 2**31, 2**32 - 1])
async def test_a_repeat_with_other_content_is_told_so_and_the_first_content_stands(store: Store, digest: int) -> None:
    await store.log.append([added("ann", 1, id_="o", digest=digest)])
    same, other, once_more = await store.log.append(
        [
            added("ann", 1, id_="o", digest=digest),
            added("ann", 2, id_="o", digest=digest ^ 1),
            added("ann", 2, id_="o", digest=(digest + 2**31) % 2**32),
        ]
    )
    assert [same.differs, other.differs, once_more.differs] == [False, True, True]
    assert [one.event.payload for one in await store.log.read_key("demo", key_of("ann"))] == [b"1"]


async def test_two_tenants_may_use_the_same_id(store: Store) -> None:
    mine, yours = await store.log.append([added("ann", id_="o"), added("ann", id_="o", tenant="other")])
    assert not mine.duplicate
    assert not yours.duplicate
    assert mine.position != yours.position
    (again,) = await store.log.append([added("ann", id_="o", tenant="other")])
    assert places([again]) == places([yours])


async def test_events_of_a_key_keep_the_order_of_their_call(store: Store) -> None:
    await store.log.append([added(name, amount) for amount in range(30) for name in ("ann", "bob", "eve")])
    for name in ("ann", "bob", "eve"):
        recorded = await store.log.read_key("demo", key_of(name))
        assert [int(one.event.payload) for one in recorded] == list(range(30))
        assert all(one.position < other.position for one, other in pairwise(recorded))


@pytest.mark.parametrize("step", [0, -SECOND, -40 * 365 * 86_400 * SECOND])
async def test_recorded_at_never_runs_backwards_whatever_the_clock_does(store: Store, step: int) -> None:
    # pitfall 2: a clock that stands still or runs back is no position
    for _ in range(4):
        await store.log.append([added(name) for name in range(12)])
        store.clock.advance(step)
    for partition, head in (await store.log.heads()).items():
        times = [time async for batch in store.log.stream(partition, 0) for time in batch.recorded_at]
        assert len(times) == head
        assert set(times) == {NOON}
    assert [len(run) for run in (await store.events()).values()] == list((await store.log.heads()).values())


async def test_recorded_at_follows_the_clock(store: Store) -> None:
    await store.log.append([added("ann")])
    store.clock.advance(7)
    await store.log.append([added("ann"), added("ann")])
    assert [one.recorded_at - NOON for one in await store.log.read_key("demo", key_of("ann"))] == [0, 7, 7]


async def test_appends_at_the_same_moment_record_a_shared_id_once(store: Store) -> None:
    calls = [[added(caller, caller, id_="shared"), added(caller)] for caller in range(8)]
    results = await asyncio.gather(*(store.log.append(call) for call in calls))
    assert len({places([first])[0] for first, _ in results}) == 1
    assert sorted(first.duplicate for first, _ in results) == [False] + [True] * 7
    assert sum((await store.log.heads()).values()) == 9
