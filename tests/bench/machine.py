"""How fast this machine is right now, so that figures taken at different times and places can be compared."""

import time
import timeit
import uuid
from typing import Final

import psutil

from tests.bench.report import Figure

REFERENCE_UUID4_US: Final = 1.5
"""`uuid.uuid4()` on the quiet two-core machine that the targets were set on."""


def speed() -> None:
    """Print the time of a call that is all CPU; its ratio is how many times slower than the reference this is."""
    seconds = min(timeit.repeat(uuid.uuid4, number=20_000, repeat=7)) / 20_000
    Figure("machine", "uuid4_us", seconds * 1e6, "µs", baseline=REFERENCE_UUID4_US, better="lower").print()


class Stolen:
    """The share of CPU time that the hypervisor gave to others since this was made."""

    def __init__(self) -> None:
        self._before, self._began = psutil.cpu_times().steal, time.perf_counter()

    def share(self) -> float:
        """0 to 1, of all cores."""
        elapsed = (time.perf_counter() - self._began) * (psutil.cpu_count() or 1)
        return (psutil.cpu_times().steal - self._before) / elapsed
