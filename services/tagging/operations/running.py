"""Begins operations, and works on them one after the other, the tenants in turn.

A replica that goes away over one leaves it to another.
"""

import asyncio
import os
import secrets
import socket
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import blake2b
from time import monotonic
from typing import Final

import asyncpg
import structlog
from google.protobuf.message import Message
from google.rpc import code_pb2, status_pb2

from libs.eventlog.database import TROUBLE
from libs.eventlog.event import uuid7
from libs.rpc.errors import status_of
from libs.runtime.clock import SECOND, Clock, Micros
from libs.runtime.errors import AlreadyExists, FailedPrecondition, NotFound
from libs.telemetry.metrics import Metrics
from services.tagging.store.operations import Claims, Operation, OperationRows, State, forget

CLAIM_SECONDS: Final = 15.0
BEAT_SECONDS: Final = 1.0
IDLE_SECONDS: Final = 0.5
FORGET_SECONDS: Final = 60.0
ATTEMPTS: Final = 5
KEPT: Final[Micros] = 30 * 86_400 * SECOND

_PREFIX: Final = "operations/"
_ID_BYTES: Final = 16

_logger = structlog.get_logger(__name__)


@dataclass(slots=True)
class Progress:
    """What an operation has looked at so far."""

    looked_at: int = 0


Work = Callable[[Operation, Progress], Awaitable[Message]]


@dataclass(eq=False)
class Operations:
    """The operations of all tenants. `works` does each kind; it may be begun several times, and cancelled anywhere."""

    pool: asyncpg.Pool
    clock: Clock
    metrics: Metrics
    works: Mapping[str, Work]
    runner: str = field(default_factory=lambda: f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}")
    _woken: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    _served: str = field(default="", init=False)
    _forget_at: float = field(default=0.0, init=False)

    async def begin(self, tenant: str, kind: str, request: Message, asked_by: str, request_id: str = "") -> str:
        """The name of an operation that does what is requested; of a repeated request, that of the first one.

        Raises `AlreadyExists` if the first one asked for something else, `QueueFull` where too many are unfinished.
        """
        id_ = _id_of(kind, request_id) if request_id else uuid7(self.clock.now())
        packed = request.SerializeToString(deterministic=True)
        async with self.pool.acquire() as connection:
            found = await OperationRows(connection, tenant).begin(id_, kind, packed, asked_by, self.clock.now())
        if found.request != packed:
            raise AlreadyExists("request", request_id)
        self._woken.set()
        return name_of(id_)

    async def get(self, tenant: str, name: str) -> Operation:
        """An operation by name; raises `NotFound`."""
        async with self.pool.acquire() as connection:
            found = await OperationRows(connection, tenant).get(_id_in(name))
        if found is None:
            raise NotFound("operation", name)
        return found

    async def behind(self, tenant: str, id_: bytes, limit: int) -> list[Operation]:
        """The operations of a tenant behind an id, in order."""
        async with self.pool.acquire() as connection:
            return await OperationRows(connection, tenant).behind(id_, limit)

    async def cancel(self, tenant: str, name: str) -> None:
        """Let an operation stop; one that has come to an end stays as it is. Raises `NotFound`."""
        await self.get(tenant, name)
        async with self.pool.acquire() as connection:
            await OperationRows(connection, tenant).cancel(_id_in(name))

    async def delete(self, tenant: str, name: str) -> None:
        """Forget an operation, but not what it wrote; raises `NotFound`, and `FailedPrecondition` while it runs."""
        await self.get(tenant, name)
        async with self.pool.acquire() as connection:
            if not await OperationRows(connection, tenant).delete(_id_in(name)):
                raise FailedPrecondition("RUNNING", f"{name} is running: cancel it first")

    async def run(self) -> None:
        """Work on what is asked for until cancelled."""
        while True:
            self._woken.clear()
            try:
                busy = await self.turn()
            except TROUBLE as error:
                _logger.warning("operations_wait", error=repr(error))
                busy = False
            self.metrics.heartbeat("operations")
            if not busy:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._woken.wait(), IDLE_SECONDS)

    async def turn(self) -> bool:
        """Work on one operation, to its end; whether there was any."""
        async with self.pool.acquire() as connection:
            if monotonic() > self._forget_at:
                await forget(connection, self.clock.now() - KEPT)
                self._forget_at = monotonic() + FORGET_SECONDS
            one = await Claims(connection, self.runner, CLAIM_SECONDS).take(self._served)
        if one is None:
            return False
        self._served = one.tenant
        if one.attempts > ATTEMPTS:
            told = f"it was begun {ATTEMPTS} times and never came to its end"
            await self._end(one, "failed", status_pb2.Status(code=code_pb2.ABORTED, message=told), Progress())
            return True
        if one.cancelled:
            await self._end(one, "cancelled", _CANCELLED, Progress(one.looked_at))
            return True
        await self._work(one)
        return True

    async def _work(self, one: Operation) -> None:
        progress = Progress()
        work = asyncio.ensure_future(self.works[one.kind](one, progress))
        try:
            while not (await asyncio.wait([work], timeout=BEAT_SECONDS))[0]:
                async with self.pool.acquire() as connection:
                    if not await Claims(connection, self.runner, CLAIM_SECONDS).beat(one, progress.looked_at):
                        work.cancel()
            result = work.result()
        except asyncio.CancelledError:
            if not work.cancelled():  # it is we who are cancelled
                await self._leave(one, work)
                raise
            await self._end(one, "cancelled", _CANCELLED, progress)
        except TROUBLE:  # begun anew once nobody has said for a while that it is worked on
            await _stop(work)
            raise
        except Exception as error:  # whatever it is, it must be told
            _logger.exception("operation_failed", tenant=one.tenant, operation=name_of(one.id))
            await self._end(one, "failed", status_of(error), progress)
        else:
            await self._end(one, "done", result, progress)

    async def _leave(self, one: Operation, work: "asyncio.Future[Message]") -> None:
        """Stop, and let another runner begin it anew."""
        await _stop(work)
        with suppress(*TROUBLE):
            async with self.pool.acquire() as connection:
                await Claims(connection, self.runner, CLAIM_SECONDS).leave(one)

    async def _end(self, one: Operation, state: State, result: Message, progress: Progress) -> None:
        async with self.pool.acquire() as connection:
            claims = Claims(connection, self.runner, CLAIM_SECONDS)
            await claims.end(one, state, result.SerializeToString(), self.clock.now(), progress.looked_at)


_CANCELLED: Final = status_pb2.Status(code=code_pb2.CANCELLED, message="it was cancelled")


async def _stop(work: "asyncio.Future[Message]") -> None:
    work.cancel()
    with suppress(asyncio.CancelledError, Exception):
        await work


def name_of(id_: bytes) -> str:
    """The name of an operation."""
    return f"{_PREFIX}{id_.hex()}"


def _id_in(name: str) -> bytes:
    """The id that a name is written of; raises `NotFound` for what is no name of an operation."""
    with suppress(ValueError):
        id_ = bytes.fromhex(name.removeprefix(_PREFIX))
        if len(id_) == _ID_BYTES and name_of(id_) == name:
            return id_
    raise NotFound("operation", name)


def _id_of(kind: str, request_id: str) -> bytes:
    return blake2b(f"{kind}\0{request_id}".encode(), digest_size=16, person=b"operation").digest()
