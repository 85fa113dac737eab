from collections.abc import AsyncIterator

import grpc
import pytest

from libs.devstack.stack import Stack
from libs.rpc.client import channel
from tests.support.profile import SMALL, Client


@pytest.fixture(scope="package")
async def people_stack() -> AsyncIterator[Stack]:
    """Profile and identity, with everything that they need."""
    async with Stack(services=("profile", "identity"), postgres_settings=SMALL) as running:
        yield running


@pytest.fixture(scope="package")
async def people_channel(people_stack: Stack) -> AsyncIterator[grpc.aio.Channel]:
    """The channel to the profile service of that stack."""
    async with channel(people_stack.services["profile"].target) as opened:
        yield opened


@pytest.fixture(scope="package")
def shop(people_channel: grpc.aio.Channel) -> Client:
    """The tenant `demo` there."""
    return Client(people_channel, "demo")
