"""What every test may ask for, and how properties are tried."""

import os

from hypothesis import settings

pytest_plugins = [
    "tests.support.servers",
    "tests.support.logs",
    "tests.support.profile",
    "tests.support.identity_tables",
    "tests.support.identity_service",
]

# Real servers share the machine: an example that is slow once says nothing.
settings.register_profile("default", deadline=None, print_blob=True)
settings.register_profile("ci", deadline=None, print_blob=True, derandomize=False)
settings.register_profile("thorough", deadline=None, print_blob=True, max_examples=2_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))
