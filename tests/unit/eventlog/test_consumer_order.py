import asyncio

from hypothesis import given
from hypothesis import strategies as st

from libs.eventlog.checkpoint import MemoryCheckpoints
from libs.eventlog.event import Batch
from libs.eventlog.jetstream import Broker
from libs.eventlog.memory import MemoryLog
from tests.support.transport import PARTITIONS, Memory, append, consumer_of, memory_log

EVENTS = 60

Runs = list[tuple[int, int, int]]

runs = st.lists(st.tuples(st.integers(0, PARTITIONS - 1), st.integers(0, EVENTS), st.integers(1, EVENTS)), max_size=12)


async def fold_in_portions(log: MemoryLog, portions: list[Runs], memory: Memory) -> None:
    """Deliver runs of the log (partition, position before, length) as a broker that loses and repeats would."""
    consumer = consumer_of(log, Broker("nats://127.0.0.1:9", name="test"), memory, MemoryCheckpoints())
    consumer._positions = dict.fromkeys(range(PARTITIONS), 0)
    for portion in portions:
        delivered: list[Batch] = []
        for partition, after, length in portion:
            delivered += await log.read({partition: after}, limit=length)
        consumer._waiting = sorted(delivered, key=lambda batch: (batch.partition, batch.first_position))
        await consumer._fold_waiting()
        assert consumer._waiting == []


@given(portions=st.lists(runs, max_size=6))
def test_whatever_the_broker_loses_or_repeats_each_event_is_folded_once_and_in_order(portions: list[Runs]) -> None:
    async def check() -> None:
        log, memory = memory_log(), Memory()
        await append(log, EVENTS)
        await fold_in_portions(log, portions, memory)
        heads = await log.heads()
        for partition, positions in memory.positions.items():
            delivered = max(
                min(after + length, heads[partition])
                for portion in portions
                for where, after, length in portion
                if where == partition and after < heads[partition]
            )
            assert positions == list(range(1, len(positions) + 1))
            assert len(positions) >= delivered

    asyncio.run(check())
