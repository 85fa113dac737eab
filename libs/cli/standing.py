"""How the services of a stack stand, asked of each over its own interfaces."""

import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import TypeVar
from urllib.request import urlopen

import grpc
from portrait.log.v1 import log_service_pb2 as log_pb
from portrait.log.v1.log_service_pb2_grpc import LogStub
from portrait.ops.v1 import projections_service_pb2 as ops_pb
from portrait.ops.v1.projections_service_pb2_grpc import ProjectionsStub
from portrait.profile.v1 import quarantine_service_pb2 as quarantine_pb
from portrait.profile.v1.quarantine_service_pb2_grpc import QuarantineStub

from libs.cli.calling import Calling
from libs.devstack.folder import Running, StackState
from libs.devstack.ports import LOOPBACK, METRICS_OFFSET
from libs.devstack.service import is_serving
from libs.rpc.client import channel
from libs.telemetry.metrics import MetricName

ANSWER_WITHIN = 2.0  # seconds; status is asked most when something hangs
RELAY_LAG: MetricName = "portrait_relay_lag_events"
SERVERS = ("postgres", "nats")

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Service:
    """One service: None where it did not answer, or has no such thing."""

    name: str
    address: str
    serving: bool
    heads: log_pb.GetHeadsResponse | None
    projections: Sequence[ops_pb.Projection]
    relay_lag: int | None
    quarantined: int | None


@dataclass(frozen=True, slots=True)
class Standing:
    """Everything at one moment; `parts` are the processes of a stack on this machine, empty for one elsewhere."""

    parts: Sequence[Running]
    services: Sequence[Service]

    @property
    def well(self) -> bool:
        """Whether all of it serves."""
        return all(part.state == "serving" for part in self.parts) and all(one.serving for one in self.services)


async def standing(calling: Calling, stack: StackState | None) -> Standing:
    """Ask a stack, or the one service that the calling leads to."""
    if stack is None:
        metrics_port = int(calling.address.rpartition(":")[2]) + METRICS_OFFSET
        return Standing((), [await _service(calling, "profile", calling.address, metrics_port)])
    services = [part for part in stack.parts if part.name not in SERVERS]
    asked = (_service(calling, part.name, part.address, part.metrics_port or 0) for part in services)
    return Standing(stack.parts, await asyncio.gather(*asked))


async def _service(calling: Calling, name: str, address: str, metrics_port: int) -> Service:
    async with channel(address) as line:
        projections, log, quarantine = ProjectionsStub(line), LogStub(line), QuarantineStub(line)
        serving, listed, heads, waiting, relay_lag = await asyncio.gather(
            is_serving(address),
            _asked(calling.ask(projections.ListProjections, ops_pb.ListProjectionsRequest(), ANSWER_WITHIN)),
            _asked(calling.ask(log.GetHeads, log_pb.GetHeadsRequest(), ANSWER_WITHIN)),
            _asked(
                calling.ask(
                    quarantine.ListQuarantined, quarantine_pb.ListQuarantinedRequest(page_size=1), ANSWER_WITHIN
                )
            ),
            asyncio.to_thread(_relay_lag, metrics_port),
        )
    return Service(
        name,
        address,
        serving,
        heads,
        listed.projections if listed else (),
        relay_lag,
        waiting.total if waiting else None,
    )


async def _asked(answer: Awaitable[Answer]) -> Answer | None:
    try:
        return await answer
    except grpc.aio.AioRpcError:
        return None


def _relay_lag(metrics_port: int) -> int | None:
    """Events recorded and not yet published, as the service's metrics say."""
    try:
        with urlopen(f"http://{LOOPBACK}:{metrics_port}/metrics", timeout=ANSWER_WITHIN) as answer:
            lines = answer.read().decode().splitlines()
    except (OSError, ValueError):
        return None
    # A line of Prometheus's text form is the name with its labels, a blank and the value.
    lags = [float(line.rpartition(" ")[2]) for line in lines if line.startswith(RELAY_LAG)]
    return int(sum(lags)) if lags else None
