import asyncio
import os
import signal

import pytest

from libs.devstack.signals import ended_by_signals


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_block_and_the_program_goes_on(number: signal.Signals) -> None:
    async def main() -> str:
        with ended_by_signals():
            asyncio.get_running_loop().call_later(0.01, os.kill, os.getpid(), number)
            await asyncio.Event().wait()
        await asyncio.sleep(0)
        return "orderly"

    assert asyncio.run(main()) == "orderly"


def test_a_cancellation_without_a_signal_stays_one() -> None:
    async def main() -> None:
        task = asyncio.current_task()
        assert task is not None
        with ended_by_signals():
            task.cancel()
            await asyncio.sleep(1)

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(main())
