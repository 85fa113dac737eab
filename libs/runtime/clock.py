"""Time as data: microseconds since 1970 UTC, from a clock that is handed in."""

import time
from collections.abc import Callable
from typing import Protocol

Micros = int

SECOND: Micros = 1_000_000

Timer = Callable[[], float]
"""Seconds since some moment, never running back: `time.monotonic`, or the virtual time of a simulation."""


class Clock(Protocol):
    """Says what time it is."""

    def now(self) -> Micros:
        """Microseconds since 1970 UTC."""
        ...


class SystemClock:
    """The wall clock."""

    def now(self) -> Micros:
        return time.time_ns() // 1000


class ManualClock:
    """A clock that stands until it is moved, in whichever direction."""

    def __init__(self, now: Micros) -> None:
        self._now = now

    def now(self) -> Micros:
        return self._now

    def set(self, now: Micros) -> None:
        """Show this time from now on."""
        self._now = now

    def advance(self, micros: Micros) -> None:
        """Move by so much; a negative amount moves back."""
        self._now += micros
