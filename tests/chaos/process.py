"""A service as a process whose clock can be bent, whose fold can be poisoned, and which may be a mutant.

`CHAOS_MODULE=services.profile python -m tests.chaos.process …` is `python -m services.profile …`, but for that.
"""

import mmap
import os
import runpy
import struct
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from libs.eventlog.database import Connection
from libs.eventlog.event import Batch
from libs.eventlog.verdict import Verdict
from libs.runtime.clock import Micros, SystemClock
from tests.support.reference_consumer.counts import Counts

MODULE: Final = "CHAOS_MODULE"
CLOCK: Final = "CHAOS_CLOCK"
POISON: Final = "CHAOS_POISON"
MUTANT: Final = "CHAOS_MUTANT"

POISONOUS: Final = b"poisonous"
OFFSET: Final = struct.Struct("<q")


class Poisoned(Exception):
    """What a handler with a fault in it raises over some events."""


def bend_clock(file: Path) -> None:
    """Let the system clock be as wrong as the file says, in microseconds, at every look."""
    with file.open("rb") as opened:
        offset = mmap.mmap(opened.fileno(), OFFSET.size, access=mmap.ACCESS_READ)

    def now(self: SystemClock) -> Micros:
        return time.time_ns() // 1000 + int(OFFSET.unpack(offset[:])[0])

    SystemClock.now = now  # type: ignore[method-assign]  # the seam: every part is given this clock


def poison_fold(switch: Path) -> None:
    """Let the reference consumer fail over poisonous events while the file exists."""
    fold = Counts.fold

    async def poisoned(self: Counts, connection: Connection, batches: Sequence[Batch]) -> Verdict:
        if _is_on(switch) and any(POISONOUS in event for batch in batches for event in batch.events):
            raise Poisoned("a fault that is to be mended")
        return await fold(self, connection, batches)

    Counts.fold = poisoned  # type: ignore[method-assign]  # as above


def _is_on(switch: Path) -> bool:
    return switch.exists()


def main() -> None:
    """Become the module named, bent as the environment says."""
    bend_clock(Path(os.environ[CLOCK]))
    poison_fold(Path(os.environ[POISON]))
    if mutant := os.environ.get(MUTANT):
        from tests.chaos.mutants import MUTANTS  # noqa: PLC0415  they know both services, and a true one knows itself

        MUTANTS[mutant]()
    sys.argv[0] = os.environ[MODULE]
    runpy.run_module(os.environ[MODULE], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
