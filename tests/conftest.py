"""What every test may ask for, and how properties are tried."""

import os
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from libs.devstack import ports
from tests.support.migrating import migrate_here
from tests.support.sharing import ByStack

pytest_plugins = [
    "tests.support.servers",
    "tests.support.logs",
    "tests.support.profile",
    "tests.support.identity_tables",
    "tests.support.identity_service",
    "tests.support.tagging",
    "tests.support.tagging_service",
]

# Real servers share the machine: an example that is slow once says nothing, nor does one that is made slowly.
COMMON: Any = {"deadline": None, "print_blob": True, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("default", **COMMON)
settings.register_profile("ci", **COMMON, derandomize=False)
settings.register_profile("thorough", **COMMON, max_examples=2_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))

# Test processes side by side: a port that one of them has found free, the other must not find too before it is taken.
WORKER, WORKERS = (os.environ.get(name, "1") for name in ("PYTEST_XDIST_WORKER", "PYTEST_XDIST_WORKER_COUNT"))
ports.FREE_RANGE = ports.FREE_RANGE[int(WORKER.removeprefix("gw")) % int(WORKERS) :: int(WORKERS)]

migrate_here()


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByStack | None:
    return ByStack(config, log) if config.getoption("dist") == "loadfile" else None
