from collections.abc import AsyncIterator

import grpc
import pytest

from libs.devstack.stack import Stack
from libs.rpc.client import channel
from tests.support.profile import SMALL, Client


@pytest.fixture(scope="package")
async def tags_stack() -> AsyncIterator[Stack]:
    """Profile, identity and tagging, with everything that they need."""
    async with Stack(postgres_settings=SMALL) as running:
        yield running


@pytest.fixture(scope="package")
async def tags_channel(tags_stack: Stack) -> AsyncIterator[grpc.aio.Channel]:
    """The channel to the tagging service of that stack."""
    async with channel(tags_stack.services["tagging"].target) as opened:
        yield opened


@pytest.fixture(scope="package")
async def shopping(tags_stack: Stack) -> AsyncIterator[Client]:
    """The tenant `demo` of the profile service there."""
    async with channel(tags_stack.services["profile"].target) as opened:
        yield Client(opened, "demo")
