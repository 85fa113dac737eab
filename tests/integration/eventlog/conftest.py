from collections.abc import AsyncIterator

import pytest

from libs.devstack.nats import NatsServer
from libs.eventlog.jetstream import Broker
from libs.eventlog.memory import MemoryLog
from tests.support.reference_process import owner_of
from tests.support.transport import memory_log


@pytest.fixture
async def broker(own_nats: NatsServer) -> AsyncIterator[Broker]:
    async with Broker(own_nats.url, name="test") as broker:
        yield broker


@pytest.fixture
def log() -> MemoryLog:
    """The log that consumers here consume, unless a module has its own."""
    return memory_log()


@pytest.fixture
async def owner(log: MemoryLog) -> AsyncIterator[str]:
    """The address of the service that owns it."""
    async with owner_of(log) as address:
        yield address
