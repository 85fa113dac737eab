import pytest

from libs.eventlog.event import Batch
from tests.support.logs import PARTITIONS, Store, added, key_of, partition_mates


@pytest.fixture
async def filled(store: Store) -> Store:
    """Ten events of 1,000 bytes in partition 0, three in partition 2."""
    ann, bob = partition_mates(1, 0)[0], partition_mates(1, 2)[0]
    await store.log.append([added(ann, str(n) * 1_000) for n in range(10)] + [added(bob, n) for n in range(3)])
    return store


def run(batch: Batch) -> tuple[int, int, int]:
    return batch.partition, batch.first_position, batch.last_position


async def test_heads_name_every_partition(store: Store) -> None:
    assert await store.log.heads() == dict.fromkeys(range(PARTITIONS), 0)


async def test_a_read_takes_up_behind_the_positions_given(filled: Store) -> None:
    batches = await filled.log.read({0: 4, 2: 1, 3: 0})
    assert [run(batch) for batch in batches] == [(0, 5, 10), (2, 2, 3)]
    assert [int(recorded.event.payload[:1]) for recorded in batches[0].recorded()] == [4, 5, 6, 7, 8, 9]
    assert [recorded.position for recorded in batches[0].recorded()] == [5, 6, 7, 8, 9, 10]


async def test_a_read_at_the_head_finds_nothing(filled: Store) -> None:
    assert await filled.log.read(await filled.log.heads()) == []


async def test_a_read_is_bounded_in_every_partition_by_its_limit(filled: Store) -> None:
    assert [run(batch) for batch in await filled.log.read({0: 0, 2: 0}, limit=2)] == [(0, 1, 2), (2, 1, 2)]


async def test_a_read_is_bounded_by_its_bytes(filled: Store) -> None:
    (batch,) = await filled.log.read({0: 0}, max_bytes=4_000)
    assert run(batch) == (0, 1, 3)


async def test_a_read_brings_one_event_however_large(filled: Store) -> None:
    (batch,) = await filled.log.read({0: 6}, max_bytes=10)
    assert run(batch) == (0, 7, 7)
    assert len(batch.recorded_at) == 1


async def test_a_stream_ends_at_the_head_of_the_moment_it_began(filled: Store) -> None:
    ann = partition_mates(1, 0)[0]
    stream = filled.log.stream(0, 2)
    first = await anext(stream)
    await filled.log.append([added(ann, 1)])
    assert first.first_position == 3
    rest = [batch async for batch in stream]
    assert (rest or [first])[-1].last_position == 10


async def test_a_key_is_read_without_its_neighbours(store: Store) -> None:
    ann, bob = partition_mates(2)
    await store.log.append([added(name, n) for n in range(4) for name in (ann, bob)])
    recorded = await store.log.read_key("demo", key_of(ann))
    assert [one.position for one in recorded] == [1, 3, 5, 7]
    assert [int(one.event.payload) for one in recorded] == [0, 1, 2, 3]


async def test_a_key_is_read_from_behind_a_position(store: Store) -> None:
    await store.log.append([added("ann", n) for n in range(4)])
    assert [one.position for one in await store.log.read_key("demo", key_of("ann"), after=2)] == [3, 4]


async def test_a_key_of_another_tenant_is_empty(store: Store) -> None:
    # pitfall 30: the key is the same, the tenant is not
    await store.log.append([added("ann")])
    assert await store.log.read_key("other", key_of("ann")) == []


async def test_what_was_appended_is_what_is_read(store: Store) -> None:
    event = added("ann", "上海 \0 " * 50, import_id="导入", rules_version=3, traceparent=bytes(range(25)), tenant="店")
    await store.log.append([event])
    (recorded,) = await store.log.read_key("店", key_of("ann"))
    assert recorded.event.SerializeToString(deterministic=True) == type(recorded.event).FromString(
        event.data
    ).SerializeToString(deterministic=True)


async def in_order(store: Store, partition: int, until: int) -> list[tuple[bytes, list[int]]]:
    return [(run.key, [one.position for one in run.events]) async for run in store.log.keys_in_order(partition, until)]


async def test_a_partition_is_read_key_by_key_up_to_a_position(store: Store) -> None:
    ann, bob, eve = sorted(partition_mates(3), key=key_of)
    await store.log.append([added(name, n) for n in range(2) for name in (eve, ann, bob)])
    await store.log.append([added(name, n) for n in range(2) for name in (bob, ann)])
    expected = {ann: [2, 5, 8, 10], bob: [3, 6, 7, 9], eve: [1, 4]}
    for until in range(11):
        cut = {name: [position for position in run if position <= until] for name, run in expected.items()}
        assert await in_order(store, 0, until) == [(key_of(name), run) for name, run in cut.items() if run]


async def test_a_partition_is_read_on_behind_a_key(store: Store) -> None:
    names = sorted(partition_mates(6), key=key_of)
    await store.log.append([added(name, tenant=tenant) for tenant in ("a", "b") for name in names])
    await store.log.append([added(name, tenant=tenant) for name in names for tenant in ("b", "a")])
    whole = [run async for run in store.log.keys_in_order(0, 100)]
    assert [(run.tenant, run.key) for run in whole] == [(tenant, key_of(name)) for tenant in "ab" for name in names]
    for place, run in enumerate(whole, 1):
        rest = [run async for run in store.log.keys_in_order(0, 100, (run.tenant, run.key))]
        assert rest == whole[place:]


async def test_a_run_holds_what_reading_its_key_finds_and_tenants_are_kept_apart(store: Store) -> None:
    for tenant in ("店", "demo", "Z"):
        await store.log.append([added("ann", n, tenant=tenant) for n in range(3)])
    await store.log.append([added("ann", n, tenant=tenant) for n in range(2) for tenant in ("Z", "店", "demo")])
    partition = int.from_bytes(key_of("ann")[:2], "big") % PARTITIONS
    runs = [run async for run in store.log.keys_in_order(partition, 100)]
    assert [run.tenant for run in runs] == ["Z", "demo", "店"]
    for run in runs:
        assert run.events == await store.log.read_key(run.tenant, run.key)


async def test_the_keys_of_places_are_found(store: Store) -> None:
    names = [*partition_mates(3, 1), *partition_mates(2, 3)]
    appended = await store.log.append([added(name) for name in names for _ in range(4)])
    places = [(one.partition, one.position, store.clock.now()) for one in appended]
    found = await store.log.keys_at(places)
    assert found == {
        place[:2]: key_of(name) for place, name in zip(places, sorted(names * 4, key=names.index), strict=True)
    }
