from libs.eventlog.log import Whole
from tests.support.logs import PARTITIONS, added, key_of, partition_mates
from tests.support.rebuilding import Workshop

ANN, BOB, EVE = partition_mates(3)


async def read(workshop: Workshop, until: int, after: tuple[str, bytes] | None = None) -> list[Whole]:
    return [whole async for whole in workshop.log.keys_in_order(0, until, after)]


async def test_every_key_comes_once_with_all_of_its_events_in_order(workshop: Workshop) -> None:
    await workshop.log.append([added(name, n) for n in range(5) for name in (ANN, BOB, EVE)])
    keys = await read(workshop, 15)
    assert [(one.tenant, one.key) for one in keys] == sorted(("demo", key_of(name)) for name in (ANN, BOB, EVE))
    assert [[int(event.event.payload) for event in one.events] for one in keys] == [[0, 1, 2, 3, 4]] * 3
    assert sorted(event.position for one in keys for event in one.events) == list(range(1, 16))


async def test_what_stands_behind_the_position_asked_for_is_left_out(workshop: Workshop) -> None:
    await workshop.log.append([added(ANN, 1), added(BOB, 2), added(ANN, 3)])
    keys = await read(workshop, 2)
    assert sorted(int(event.event.payload) for one in keys for event in one.events) == [1, 2]


async def test_a_reading_goes_on_behind_the_last_key_of_a_former_one(workshop: Workshop) -> None:
    await workshop.log.append([added(name, tenant=tenant) for name in (ANN, BOB, EVE) for tenant in ("demo", "other")])
    whole = await read(workshop, 6)
    assert [(one.tenant) for one in whole] == ["demo"] * 3 + ["other"] * 3
    for index, one in enumerate(whole):
        assert await read(workshop, 6, (one.tenant, one.key)) == whole[index + 1 :]


async def test_other_partitions_and_an_empty_log_have_nothing(workshop: Workshop) -> None:
    assert await read(workshop, 10) == []
    await workshop.log.append([added(*partition_mates(1, PARTITIONS - 1))])
    assert await read(workshop, 10) == []
