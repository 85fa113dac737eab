from collections.abc import AsyncIterator

import pytest

from libs.devstack.nats import NatsServer
from libs.eventlog.jetstream import Broker


@pytest.fixture
async def broker(own_nats: NatsServer) -> AsyncIterator[Broker]:
    async with Broker(own_nats.url, name="test") as broker:
        yield broker
