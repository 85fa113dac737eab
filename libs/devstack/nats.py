"""An embedded nats-server with JetStream, on the loopback interface."""

import asyncio
import json
import shutil
import signal
from pathlib import Path
from types import TracebackType
from typing import Self

import nats
from nats.errors import Error as NatsError

from libs.devstack.ports import LOOPBACK, free_port, is_listening, until_free
from libs.devstack.program import Command, Program
from libs.devstack.wheels import nats_server

START_WITHIN = 30.0  # seconds: a large store is checked at start

CONFIGURATION = """\
server_name: portrait
listen: "{loopback}:{port}"
http: "{loopback}:{monitoring_port}"
max_payload: 1MB
jetstream {{
  store_dir: {store}
  # By default an acknowledgement only means the page cache, flushed every two minutes.
  sync_interval: always
}}
"""


class NatsServer:
    """One broker on one folder, always on the same ports; 0 picks free ones for the life of this object."""

    name = "nats"

    def __init__(self, store: Path, port: int = 0, monitoring_port: int = 0, log: Path | None = None) -> None:
        self.store = store.resolve()
        self.port = port or free_port()
        self.monitoring_port = monitoring_port or free_port()
        self._program = Program(self.name, log or self.store / "nats.log")

    @property
    def pid(self) -> int | None:
        """The process id, or None."""
        return self._program.pid

    @property
    def url(self) -> str:
        """Where clients connect."""
        return f"nats://{LOOPBACK}:{self.port}"

    async def start(self) -> None:
        """Start, or start again after any end, and wait until JetStream answers. Errors: StartFailed, PortTaken."""
        if self.pid is not None:
            return
        for port in (self.port, self.monitoring_port):
            await until_free(self.name, port)
        argv = (str(nats_server()), "--config", str(self._configure()))
        await self._program.start(Command(argv, death_signal=signal.SIGTERM), self._answers, START_WITHIN)

    async def stop(self) -> None:
        """End it; what it acknowledged is on disk."""
        await self._program.stop(signal.SIGTERM)

    async def kill(self) -> None:
        """SIGKILL, as a power cut would; `start` brings it back."""
        await self._program.kill()

    async def wipe_store(self) -> None:
        """Lose everything that JetStream held. Only while the server does not run."""
        assert self.pid is None, "stop nats-server before its store is wiped"
        await asyncio.to_thread(shutil.rmtree, self.store / "jetstream", ignore_errors=True)

    async def died(self) -> int:
        """Wait for an end that nobody asked for; the exit status."""
        return await self._program.died()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    def _configure(self) -> Path:
        self.store.mkdir(parents=True, exist_ok=True)
        file = self.store / "nats.conf"
        store = json.dumps(str(self.store))
        file.write_text(
            CONFIGURATION.format(loopback=LOOPBACK, port=self.port, monitoring_port=self.monitoring_port, store=store)
        )
        return file

    async def _answers(self) -> bool:
        if not await is_listening(self.port):  # the client would pause two seconds over a refused connection
            return False
        try:
            client = await nats.connect(self.url, allow_reconnect=False, connect_timeout=1, error_cb=_expected)
        except (OSError, NatsError, TimeoutError):
            return False
        try:
            await client.jetstream(timeout=1).account_info()
        except NatsError:
            return False
        finally:
            await client.close()
        return True


async def _expected(error: Exception) -> None:
    """A refused connection is what a starting server looks like."""
