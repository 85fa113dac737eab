"""Every store under the same suite."""

from typing import cast

import pytest

from tests.support import rebuilding
from tests.support.logs import Database, Store, memory_store
from tests.support.rebuilding import Workshop


@pytest.fixture
def postgres_store(log_database: Database) -> Store:
    return log_database.store


@pytest.fixture(params=["memory", "postgres"])
def store(request: pytest.FixtureRequest) -> Store:
    if request.param == "memory":
        return memory_store()
    return cast("Store", request.getfixturevalue("postgres_store"))


@pytest.fixture
def postgres_workshop(log_database: Database) -> Workshop:
    return rebuilding.postgres_workshop(log_database)


@pytest.fixture(params=["memory", "postgres"])
def workshop(request: pytest.FixtureRequest) -> Workshop:
    if request.param == "memory":
        return rebuilding.memory_workshop()
    return cast("Workshop", request.getfixturevalue("postgres_workshop"))
