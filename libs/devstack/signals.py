"""Ending by a signal as an ordinary end: what was started is stopped in order."""

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """The first signal cancels the block, which then counts as done; a second one ends the process at once.

    Main thread only. Ending at once is safe: every started program is tethered to this process.
    """
    task, loop, heard = asyncio.current_task(), asyncio.get_running_loop(), False
    assert task is not None, "only a task can be ended"

    def hear(number: int) -> None:
        nonlocal heard
        if heard:
            os._exit(128 + number)
        heard = True
        task.cancel()

    for number in SIGNALS:
        loop.add_signal_handler(number, hear, number)
    try:
        yield
    except asyncio.CancelledError:
        if not heard:
            raise
        task.uncancel()
    finally:
        for number in SIGNALS:
            loop.remove_signal_handler(number)
