"""A small service for the tests of its life; its arguments say how it behaves. Prints its port when it has one."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from portrait.ops.v1 import projections_service_pb2 as pb
from portrait.ops.v1 import projections_service_pb2_grpc

from libs.eventlog.rebuild_service import RebuildMethods
from libs.rpc.credentials import DevelopmentCredential
from libs.rpc.server import Service, serve
from libs.runtime.lifecycle import Lifecycle, run
from libs.runtime.tenants import Tenants
from libs.telemetry.logs import start_logs
from libs.telemetry.metrics import Metrics
from libs.telemetry.traces import Traces

BEHAVIOUR = frozenset(sys.argv[1:])


class Projections(RebuildMethods):
    """With one method that, where it is slow, says so and ends once it is told to, and others that are there."""

    async def ListProjections(self, request: Any, context: Any) -> pb.ListProjectionsResponse:  # gRPC's
        if "slow" in BEHAVIOUR:
            tell("called")
            await asyncio.to_thread(sys.stdin.readline)
        return pb.ListProjectionsResponse(projections=[pb.Projection(name="portraits")])

    async def ListDeadLetters(self, request: Any, context: Any) -> pb.ListDeadLettersResponse:  # gRPC's
        return pb.ListDeadLettersResponse()


def tell(what: object) -> None:
    sys.stdout.write(f"{what}\n")
    sys.stdout.flush()


def say(what: str) -> None:
    sys.stderr.write(f"{what}\n")
    sys.stderr.flush()


@asynccontextmanager
async def part(name: str) -> AsyncIterator[None]:
    yield
    say(f"{name} stopped")


async def loop() -> None:
    try:
        await asyncio.sleep(0.1 if "crash" in BEHAVIOUR else 3600)
        _ = 1 // 0
    finally:
        say("loop stopped")


async def live(life: Lifecycle) -> None:
    await life.start(part("first part"))
    life.background("loop", loop())
    await life.start(part("server"))
    if "broken" in BEHAVIOUR:
        raise ConnectionRefusedError("the database is away")
    if "waiting" in BEHAVIOUR:
        tell(0)
        await asyncio.sleep(3600)
    add: Any = projections_service_pb2_grpc.add_ProjectionsServicer_to_server
    service = Service(pb.DESCRIPTOR.services_by_name["Projections"], add, Projections([]))  # type: ignore[abstract]  # gRPC answers for what is not here
    server = await life.start(
        serve(
            [service],
            host="127.0.0.1",
            port=0,
            authenticator=DevelopmentCredential(Tenants.demo()),
            metrics=Metrics(),
            traces=Traces.off(),
        )
    )
    tell(server.port)
    await life.until_stopped()


if __name__ == "__main__":
    start_logs("test")
    sys.exit(run(live))
