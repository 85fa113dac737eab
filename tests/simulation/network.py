"""The way to a server and back, on which requests linger, fail, arrive after they were given up, or go unanswered."""

import asyncio
from collections.abc import Awaitable, Callable, Generator
from dataclasses import dataclass, field
from random import Random
from types import coroutine
from typing import Final, TypeVar

from libs.runtime.errors import Unavailable
from tests.simulation.loop import OWNER, VirtualLoop, owned_by

ResultT = TypeVar("ResultT")

LONGEST_SECONDS: Final = 4.0


@dataclass(eq=False)
class Network:
    """How likely what happens on the way is, at this moment.

    `told` is the trace of a world that is being watched, `under_way` how many requests nobody waits for any more.
    """

    loop: VirtualLoop
    chance: Random
    slow: float = 0.0
    fail: float = 0.0
    ghost: float = 0.0
    told: list[str] | None = None
    under_way: int = 0

    def calm(self) -> None:
        """Nothing fails any more."""
        self.slow = self.fail = self.ghost = 0.0

    def tell(self, what: str) -> None:
        """Write a line of the trace."""
        if self.told is not None:
            owner = OWNER.get()
            self.told.append(f"{self.loop.time():9.4f}  {owner.name if owner else '-':<12} {what}")


@dataclass(eq=False)
class Link:
    """The way to one server."""

    network: Network
    server: str
    down: bool = False

    async def call(self, what: str, operation: Callable[[], Awaitable[ResultT]]) -> ResultT:
        """Ask the server for something; by the time the answer is back, it may no longer hold."""
        if self.down:
            await self.travel()
        result = await operation()
        if self.network.told is not None:
            self.network.tell(f"{self.server}: {what}")
        await self.travel()
        return result

    async def write(self, what: str, operation: Callable[[], Awaitable[ResultT]]) -> ResultT:
        """The same for what changes something: the caller may die before it and after it.

        Or the caller gives it up, and it is done all the same, long after.
        """
        network = self.network
        if network.ghost and network.chance.random() < network.ghost:
            with owned_by(None):
                network.loop.create_task(self._arrive_late(what, operation))
            raise self._cut()
        await self.travel()
        return await self.call(what, operation)

    async def travel(self) -> None:
        """Go one way; raises `Unavailable` where the way is cut or the server is down."""
        network, drawn = self.network, self.network.chance.random()
        if drawn < network.slow:
            # Half of them take less than ten milliseconds, one in five hundred outlasts the usual time limits.
            await asyncio.sleep(min(0.005 * network.slow / (drawn + 1e-9), LONGEST_SECONDS))
        else:
            await _turn()
        if self.down or (network.fail and network.chance.random() < network.fail):
            raise self._cut()

    async def _arrive_late(self, what: str, operation: Callable[[], Awaitable[object]]) -> None:
        self.network.under_way += 1
        await asyncio.sleep(self.network.chance.random() * 3)
        self.network.under_way -= 1
        try:
            await operation()
        except Exception as error:  # noqa: BLE001 - nobody waits for it any more
            self.network.tell(f"{self.server}: late {what} refused: {error!r}")
        else:
            self.network.tell(f"{self.server}: late {what}")

    def _cut(self) -> Unavailable:
        self.network.tell(f"{self.server}: cut off")
        return Unavailable(self.server, "cut off")


@coroutine
def _turn() -> Generator[None, None, None]:
    """Let others go first; `asyncio.sleep(0)` at half the price."""
    yield


@dataclass(eq=False)
class RowLock:
    """A lock of a database: whoever dies gives it up."""

    loop: VirtualLoop
    _holder: object = None
    _owner: object = None
    _waiting: list[tuple[object, "asyncio.Future[None]"]] = field(default_factory=list)

    async def acquire(self) -> object:
        """Wait for one's turn; answers what to release it with."""
        token, owner = object(), OWNER.get()
        if self._holder is None:
            self._holder, self._owner = token, owner
            return token
        turn = self.loop.create_future()
        self._waiting.append((owner, turn))
        try:
            await turn
        except BaseException:
            if turn.done() and not turn.cancelled():
                self.release(turn)
            raise
        return turn

    def release(self, token: object) -> None:
        """Let the next one have it."""
        if self._holder is not token:
            return
        self._holder = self._owner = None
        while self._waiting:
            owner, turn = self._waiting.pop(0)
            if getattr(owner, "alive", True) and not turn.done():
                self._holder, self._owner = turn, owner
                turn.set_result(None)
                return

    def is_held_by(self, owner: object) -> bool:
        """Whether a process holds it."""
        return self._holder is not None and self._owner is owner

    def bury(self, owner: object) -> None:
        """Roll back what a dead process had begun."""
        if self.is_held_by(owner):
            self.release(self._holder)
