"""One of Portrait's services as a child process, ready when its gRPC health says SERVING."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2

from libs.devstack.ports import LOOPBACK, is_listening, until_free
from libs.devstack.program import Command, Program, run_to_end

START_WITHIN = 120.0  # seconds: one that fails ends by itself, and one that starts beside others takes long
MIGRATE_WITHIN = 120.0  # seconds
STOP_WITHIN = 20.0  # seconds: draining is bounded by the service's own setting, which is shorter


class Service:
    """`python -m MODULE` with `environment` over ours, listening on `port`."""

    def __init__(self, name: str, module: str, port: int, environment: Mapping[str, str], log: Path) -> None:
        self.name = name
        self.port = port
        self._argv = (sys.executable, "-m", module)
        self._environment = {**os.environ, **environment}
        self._program = Program(name, log)

    @property
    def pid(self) -> int | None:
        """The process id, or None."""
        return self._program.pid

    @property
    def target(self) -> str:
        """Where gRPC clients connect."""
        return f"{LOOPBACK}:{self.port}"

    async def migrate(self) -> None:
        """Bring its database up to date. Errors: StartFailed."""
        command = Command((*self._argv, "migrate"), self._environment)
        await run_to_end(f"migration of {self.name}", command, self._program.log, MIGRATE_WITHIN)

    async def start(self) -> None:
        """Start, or start again after any end, and wait for SERVING. Errors: StartFailed, PortTaken."""
        if self.pid is not None:
            return
        await until_free(self.name, self.port)
        # No death signal but SIGKILL: a service that hangs while draining would survive a gentler one.
        await self._program.start(Command(self._argv, self._environment), self._is_serving, START_WITHIN)

    async def stop(self) -> None:
        """Let it drain and end."""
        await self._program.stop(grace=STOP_WITHIN)

    async def kill(self) -> None:
        """SIGKILL."""
        await self._program.kill()

    async def died(self) -> int:
        """Wait for an end that nobody asked for; the exit status."""
        return await self._program.died()

    async def _is_serving(self) -> bool:
        return await is_listening(self.port) and await is_serving(self.target)


async def is_serving(target: str) -> bool:
    """Whether the gRPC health of a server as a whole is SERVING right now."""
    async with grpc.aio.insecure_channel(target, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
        check = channel.unary_unary(
            "/grpc.health.v1.Health/Check",
            request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
            response_deserializer=health_pb2.HealthCheckResponse.FromString,
        )
        try:
            answer = await check(health_pb2.HealthCheckRequest(), timeout=2)
        except grpc.aio.AioRpcError:
            return False
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)
