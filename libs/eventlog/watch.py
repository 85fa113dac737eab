"""Hearing of the keys that change, from any replica's appends: watchers tail the log by position."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

import structlog
from portrait.log.v1 import event_pb2 as pb

from libs.eventlog.log import LogReader
from libs.eventlog.snapshots import KeyOfTenant

POLL_SECONDS: Final = 0.05


@dataclass(eq=False)
class Watch:
    """Wakes whoever watches a key when the log has something new of it. Reads nothing while nobody watches."""

    log: LogReader
    _watchers: dict[KeyOfTenant, set[asyncio.Event]] = field(default_factory=dict, init=False)
    _watched: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    _positions: dict[int, int] | None = field(default=None, init=False)

    @asynccontextmanager
    async def changes(self, *keys: KeyOfTenant) -> AsyncIterator[asyncio.Event]:
        """An event that is set whenever one of the keys changes; the watcher clears it before it looks."""
        if self._positions is None:
            heads = await self.log.heads()
            if self._positions is None:  # else a watcher came meanwhile, and must not miss what lies before these heads
                self._positions = heads
        changed = asyncio.Event()
        for key in keys:
            self._watchers.setdefault(key, set()).add(changed)
        self._watched.set()
        try:
            yield changed
        finally:
            for key in keys:
                self._watchers[key].discard(changed)
                if not self._watchers[key]:
                    del self._watchers[key]
            if not self._watchers:
                self._watched.clear()
                self._positions = None

    def wake_all(self) -> None:
        """Let every watcher look again: what they watch may mean something else now."""
        for watchers in self._watchers.values():
            for changed in watchers:
                changed.set()

    async def run(self) -> None:
        """Tail the log for the watchers until cancelled."""
        while True:
            await self._watched.wait()
            if self._positions is None or not await self._advance(self._positions):
                await asyncio.sleep(POLL_SECONDS)

    async def _advance(self, positions: dict[int, int]) -> bool:
        try:
            batches = await self.log.read(positions)
        except Exception as error:  # noqa: BLE001  positions stand, so nothing is missed when the database is back
            structlog.get_logger().warning("watch_delayed", error=repr(error))
            return False
        for batch in batches:
            positions[batch.partition] = batch.last_position
            for data in batch.events:
                event = pb.Event.FromString(data)
                for changed in self._watchers.get((event.tenant, event.key), ()):
                    changed.set()
        return bool(batches)
