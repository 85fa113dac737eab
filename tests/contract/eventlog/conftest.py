"""Every store under the same suite."""

from pathlib import Path
from typing import cast

import pytest

from tests.support import rebuilding
from tests.support.archived import half_archived
from tests.support.logs import Database, Store, memory_store
from tests.support.rebuilding import Workshop


@pytest.fixture
def postgres_store(log_database: Database) -> Store:
    return log_database.store


@pytest.fixture
def archived_store(log_database: Database, own_folder: Path) -> Store:
    return half_archived(log_database, own_folder)


@pytest.fixture(params=["memory", "postgres", "archived"])
def store(request: pytest.FixtureRequest) -> Store:
    if request.param == "memory":
        return memory_store()
    return cast("Store", request.getfixturevalue(f"{request.param}_store"))


@pytest.fixture
def postgres_workshop(log_database: Database) -> Workshop:
    return rebuilding.postgres_workshop(log_database)


@pytest.fixture(params=["memory", "postgres"])
def workshop(request: pytest.FixtureRequest) -> Workshop:
    if request.param == "memory":
        return rebuilding.memory_workshop()
    return cast("Workshop", request.getfixturevalue("postgres_workshop"))
