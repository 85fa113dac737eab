"""Keeps the parts of a stack running: restarts a dead one with growing pauses, stops all in reverse order."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Literal, Protocol, Self

from libs.devstack.errors import DevstackError
from libs.devstack.program import described

FIRST_PAUSE = 0.1  # seconds before the first restart, doubled by each that follows soon
LONGEST_PAUSE = 5.0  # seconds
CALM = 10.0  # seconds of service after which earlier deaths are forgotten

State = Literal["starting", "serving", "restarting", "stopped"]


class Part(Protocol):
    """Something that runs; `died` waits for an end that nobody asked for."""

    @property
    def name(self) -> str: ...
    @property
    def pid(self) -> int | None: ...
    async def start(self) -> None: ...
    async def stop(self) -> None: ...
    async def died(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Condition:
    """How a part is; `detail` says why it is being restarted."""

    name: str
    state: State
    pid: int | None
    restarts: int
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.name}: {self.state}" + (f" ({self.detail})" if self.detail else "")


Report = Callable[[Condition], None]


class Supervisor:
    """Started parts stay up until the end of its `async with` block. Every change is reported."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._undo = AsyncExitStack()
        self._restarts: dict[str, int] = {}

    async def start(self, part: Part) -> None:
        """Start a part and keep it running; a part that fails at its first start is not tried again."""
        self._say(part, "starting")
        self._undo.push_async_callback(self._stop, part)
        await part.start()
        self._say(part, "serving")
        self._undo.push_async_callback(_ended, asyncio.create_task(self._keep(part)))

    @asynccontextmanager
    async def without(self, part: Part) -> AsyncIterator[None]:
        """Stop a started part for the length of the block; where that fails, the part stays down."""
        await self._stop(part)
        yield
        self._say(part, "starting")
        await part.start()
        self._say(part, "serving")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._undo.aclose()

    async def _keep(self, part: Part) -> None:
        clock = asyncio.get_running_loop().time
        soon = 0
        while True:
            since = clock()
            why = described(await part.died())
            soon = 0 if clock() - since > CALM else soon
            while True:
                pause = min(FIRST_PAUSE * 2 ** min(soon, 10), LONGEST_PAUSE)
                soon += 1
                self._restarts[part.name] = self._restarts.get(part.name, 0) + 1
                self._say(part, "restarting", f"{why}; starts again in {pause:g} s")
                await asyncio.sleep(pause)
                try:
                    await part.start()
                except (DevstackError, OSError) as error:
                    why = str(error)
                else:
                    break
            self._say(part, "serving")

    async def _stop(self, part: Part) -> None:
        await part.stop()
        self._say(part, "stopped")

    def _say(self, part: Part, state: State, detail: str = "") -> None:
        self._report(Condition(part.name, state, part.pid, self._restarts.get(part.name, 0), detail))


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
