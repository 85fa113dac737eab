from collections.abc import AsyncIterator
from typing import Any

import pytest
from portrait.log.v1 import event_pb2 as pb

from libs.cli.repeats import SHORTEST_MEMORY, Ids
from libs.cli.verify import MOST_PROBLEMS, Verdict, complain_of_repeats, verify_partition
from libs.eventlog.event import partition_of

PARTITIONS = 8
KEY = bytes(16)
ITSELF = pb.Retracted(positions=[1]).SerializeToString()


def event(**rest: Any) -> pb.Event:
    said = {"id": bytes(16), "key": KEY, "tenant": "demo", "type": "interaction_recorded", "version": 1}
    return pb.Event(**{**said, "payload": b"{}", **rest})


def blanking(*positions: int) -> pb.Event:
    return event(type="blanked", payload=pb.Blanked(positions=positions).SerializeToString())


async def verdict(*batches: pb.EventBatch, head: int) -> Verdict:
    async def read() -> AsyncIterator[pb.EventBatch]:
        for batch in batches:
            yield batch

    return await verify_partition(read(), 0, head, PARTITIONS)


def batch(first: int, *events: pb.Event, times: list[int] | None = None) -> pb.EventBatch:
    return pb.EventBatch(
        first_position=first, events=events, recorded_at_micros=times or [1_000] * len(events), partition=0
    )


async def test_a_log_without_fault_is_found_to_be_so() -> None:
    found = await verdict(batch(1, event(), event(payload=b"")), batch(3, blanking(2), times=[1_001]), head=3)
    assert (found.events, found.blank, found.problems) == (3, 1, 0)


async def test_a_blank_that_nothing_erased_is_found() -> None:
    other = {"payload": b"", "tenant": "other"}
    found = await verdict(batch(1, event(payload=b""), event(**other), event(payload=b""), blanking(1, 2)), head=4)
    assert (found.blank, found.problems) == (1, 3)
    assert found.examples == [
        "0:4 erases 2, which still says something",
        "0:2 is blank, and nothing in the log erases it",
        "0:3 is blank, and nothing in the log erases it",
    ]


async def test_an_id_recorded_twice_within_a_day_is_found_in_whichever_partitions() -> None:
    ids, day = Ids(), SHORTEST_MEMORY
    twice, later, imported, retracted = (event(id=bytes([n]) * 15 + b"x") for n in range(4))
    for one, place, at in (
        (twice, (0, 1), 0),
        (later, (0, 2), 0),
        (retracted, (0, 3), 0),
        (event(id=imported.id, import_id="history.csv"), (0, 4), 0),
        (twice, (1, 1), day - 1),
        (event(id=twice.id, tenant="other"), (1, 2), 5),
        (later, (1, 3), day),
        (retracted, (1, 4), 5),
        (imported, (1, 5), 400 * day),
    ):
        ids.add(one, place, at)
    ids.add(event(id=b"r" * 16), (0, 5), 1, [3])
    verdicts = [Verdict(0), Verdict(1)]
    complain_of_repeats(verdicts, ids)
    assert verdicts[0].examples == []
    assert verdicts[1].examples == [
        "1:1 has the id of 0:1, which stands",
        "1:5 has the id of 0:4, which stands",
    ]


async def test_an_empty_partition_is_no_problem() -> None:
    assert (await verdict(head=0)).problems == 0


async def test_a_gap_between_batches_and_one_at_the_end_are_found() -> None:
    found = await verdict(batch(1, event()), batch(3, event()), head=5)
    assert found.examples == ["0:3 follows 1: a gap", "0:3 is the last, but the head is 5"]


async def test_a_log_that_lost_its_beginning_is_found() -> None:
    assert (await verdict(batch(7, event()), head=7)).examples == ["0:7 follows 0: a gap"]


async def test_a_time_that_runs_backwards_is_found_against_the_latest() -> None:
    found = await verdict(batch(1, event(), event(), event(), times=[1_000, 990, 995]), head=3)
    assert found.examples == ["0:2 was recorded 10 µs before the last", "0:3 was recorded 5 µs before the last"]


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        ({"id": b""}, "its id has 0 bytes"),
        ({"key": b"short"}, "its key has 5 bytes"),
        ({"key": b"\x00\x03" + bytes(14)}, "its key belongs to partition 3"),
        ({"tenant": ""}, "has no tenant"),
        ({"version": 0}, "has no version"),
        ({"payload": b'{"cut'}, "its payload can't be read"),
        ({"type": "retracted", "payload": b"\xff"}, "its payload is not a retraction"),
        ({"type": "blanked", "payload": b"\xff"}, "its payload is not an erasure"),
        (
            {"type": "retracted", "payload": ITSELF},
            "takes back what comes later",
        ),
    ],
)
async def test_what_is_wrong_with_an_event_is_named(wrong: dict[str, Any], problem: str) -> None:
    found = await verdict(batch(1, event(**wrong)), head=1)
    assert len(found.examples) == 1
    assert problem in found.examples[0]


async def test_of_a_broken_log_only_the_first_problems_are_shown_and_all_are_counted() -> None:
    found = await verdict(batch(1, *[event(id=b"")] * 100), head=100)
    assert found.problems == 100
    assert len(found.examples) == MOST_PROBLEMS


def test_the_keys_used_here_belong_to_partition_0() -> None:
    assert partition_of(KEY, PARTITIONS) == 0
