"""What every test may ask for, and how properties are tried."""

import os

from hypothesis import settings

from libs.devstack import ports

pytest_plugins = [
    "tests.support.servers",
    "tests.support.logs",
    "tests.support.profile",
    "tests.support.identity_tables",
    "tests.support.identity_service",
    "tests.support.tagging",
    "tests.support.tagging_service",
]

# Real servers share the machine: an example that is slow once says nothing.
settings.register_profile("default", deadline=None, print_blob=True)
settings.register_profile("ci", deadline=None, print_blob=True, derandomize=False)
settings.register_profile("thorough", deadline=None, print_blob=True, max_examples=2_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))

# Test processes side by side: a port that one of them has found free, the other must not find too before it is taken.
WORKER, WORKERS = (os.environ.get(name, "1") for name in ("PYTEST_XDIST_WORKER", "PYTEST_XDIST_WORKER_COUNT"))
ports.FREE_RANGE = ports.FREE_RANGE[int(WORKER.removeprefix("gw")) % int(WORKERS) :: int(WORKERS)]
