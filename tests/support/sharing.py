"""Which tests run in the same of several test processes."""

from typing import Final

from xdist.scheduler import LoadFileScheduling

SHARING: Final = {
    "tests/integration/identity/": "identity",
    "tests/integration/tagging/": "tagging",
    "tests/integration/cli/": "cli",
    "tests/integration/profile/": "profile",
    "tests/contract/profile/": "profile",
    "tests/e2e/test_unfriendly_input.py": "profile",
}
"""Those that share a stack: elsewhere it would be started again, and services that nobody calls still ask for work."""


class ByStack(LoadFileScheduling):  # type: ignore[misc]  # xdist has no types
    """Files one by one, but together those that share a stack."""

    def _split_scope(self, nodeid: str) -> str:
        return next((stack for path, stack in SHARING.items() if nodeid.startswith(path)), super()._split_scope(nodeid))
