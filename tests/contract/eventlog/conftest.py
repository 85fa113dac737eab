"""Every store under the same suite."""

from typing import cast

import pytest

from tests.support.logs import Database, Store, memory_store


@pytest.fixture
def postgres_store(log_database: Database) -> Store:
    return log_database.store


@pytest.fixture(params=["memory", "postgres"])
def store(request: pytest.FixtureRequest) -> Store:
    if request.param == "memory":
        return memory_store()
    return cast("Store", request.getfixturevalue("postgres_store"))
