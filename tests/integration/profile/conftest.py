from collections.abc import AsyncIterator

import pytest

from libs.devstack.stack import Stack
from tests.integration.profile.customer import Customer, met, unpark
from tests.support.profile import Client


@pytest.fixture(scope="module")
async def customer(demo: Client, stack: Stack) -> AsyncIterator[Customer]:
    """A customer of the tenant `demo`."""
    yield await met(demo, stack)
    await unpark(stack)
