"""What the demo promises, and what it says when a promise is not kept."""

import asyncio
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Final, TypeVar

from libs.cli.errors import CommandFailed

SOON: Final = 60.0  # seconds
POLL: Final = 0.2

Found = TypeVar("Found")


class Unexpected(CommandFailed):
    """Something is not as the demo says it is."""

    def __init__(self, what: str, found: object, expected: object) -> None:
        super().__init__(f"{what}: expected {expected}, found {found}")
        self.found = found
        self.expected = expected


def expect(what: str, found: object, expected: object) -> None:
    """Raise `Unexpected` unless both are the same."""
    if found != expected:
        raise Unexpected(what, found, expected)


async def expect_soon(what: str, look: Callable[[], Awaitable[Found]], expected: Found) -> None:
    """Look again and again until both are the same; raise `Unexpected` if that takes too long."""
    patient_until = monotonic() + SOON
    while (found := await look()) != expected:
        if monotonic() > patient_until:
            raise Unexpected(what, found, expected)
        await asyncio.sleep(POLL)
