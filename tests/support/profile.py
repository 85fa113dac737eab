"""The profile service as its clients see it: one stack for the session, and what a tenant says to it."""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final
from urllib.request import urlopen

import asyncpg
import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from portrait.log.v1 import log_service_pb2_grpc as log_rpc
from portrait.ops.v1 import projections_service_pb2_grpc as ops_rpc
from portrait.profile.v1 import collector_service_pb2 as collector_pb
from portrait.profile.v1 import collector_service_pb2_grpc as collector_rpc
from portrait.profile.v1 import interaction_pb2
from portrait.profile.v1 import profiles_service_pb2 as profiles_pb
from portrait.profile.v1 import profiles_service_pb2_grpc as profiles_rpc
from portrait.profile.v1 import quarantine_service_pb2_grpc as quarantine_rpc
from portrait.profile.v1 import schemas_service_pb2_grpc as schemas_rpc
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from libs.devstack.ports import LOOPBACK, free_port
from libs.devstack.service import Service
from libs.devstack.stack import Stack
from libs.rpc.client import ErrorDetails, channel, details_of, metadata_for
from tests.support.spans import SpanReceiver

SMALL: Final = MappingProxyType({"shared_buffers": "128MB"})
PARTITIONS: Final = 8

RECORDED: Final = collector_pb.OUTCOME_RECORDED
DUPLICATE: Final = collector_pb.OUTCOME_DUPLICATE
QUARANTINED: Final = collector_pb.OUTCOME_QUARANTINED

_ONLY_TRACED_CALLS: Final = MappingProxyType(
    {"PORTRAIT_PROFILE_TRACE_RATIO": "0", "OTEL_BSP_SCHEDULE_DELAY": "200"}  # milliseconds
)


class Speaking:
    """A stub whose every call speaks for one tenant."""

    def __init__(self, stub: Any, tenant: str, name: str = "") -> None:
        self._stub = stub
        self._metadata = metadata_for(tenant, name)

    def __getattr__(self, method: str) -> Any:
        return partial(getattr(self._stub, method), metadata=self._metadata)


class Client:
    """What one tenant can call, and the shortest way to say it."""

    def __init__(self, channel: grpc.aio.Channel, tenant: str) -> None:
        self.channel = channel
        self.tenant = tenant
        self.collector = Speaking(collector_rpc.CollectorStub(channel), tenant)
        self.profiles = Speaking(profiles_rpc.ProfilesStub(channel), tenant)
        self.quarantine = Speaking(quarantine_rpc.QuarantineStub(channel), tenant)
        self.schemas = Speaking(schemas_rpc.SchemasStub(channel), tenant)
        self.log = Speaking(log_rpc.LogStub(channel), tenant)
        self.projections = Speaking(ops_rpc.ProjectionsStub(channel), tenant)

    def of(self, tenant: str) -> "Client":
        """The same for another tenant."""
        return Client(self.channel, tenant)

    async def collect(self, *documents: Mapping[str, Any] | bytes, **request: Any) -> Sequence[Any]:
        """The result for each document."""
        sent = [one if isinstance(one, bytes) else document(one) for one in documents]
        answer = await self.collector.Collect(collector_pb.CollectRequest(documents=sent, **request))
        results: Sequence[Any] = answer.results
        return results

    async def recorded(self, *documents: Mapping[str, Any], **request: Any) -> Sequence[Any]:
        """The positions of documents that are in the log now, each of them for the first time."""
        results = await self.collect(*documents, **request)
        assert [one.outcome for one in results] == [RECORDED] * len(documents), results
        return [one.position for one in results]

    async def portrait(self, user: str, mask: Sequence[str] = (), **at: Any) -> Any:
        """The profile of a user."""
        request = profiles_pb.GetProfileRequest(person=person(user), at=profiles_pb.ReadAt(**at))
        request.field_mask.paths.extend(mask)
        return (await self.profiles.GetProfile(request)).profile

    async def timeline(self, user: str, **request: Any) -> Sequence[Any]:
        """A page of a user's interactions."""
        answer = await self.profiles.ListTimeline(profiles_pb.ListTimelineRequest(person=person(user), **request))
        entries: Sequence[Any] = answer.entries
        return entries


async def identified_portrait(client: Client, who: profiles_pb.PersonReference, position: Any) -> profiles_pb.Profile:
    """The whole person's portrait once a position is identified, which may take longer than one call may."""
    request = profiles_pb.GetProfileRequest(person=who, at=profiles_pb.ReadAt(at_least=position, identified=True))
    answer: profiles_pb.GetProfileResponse = await patiently(lambda: client.profiles.GetProfile(request))
    return answer.profile


def fresh(what: str = "user") -> str:
    """A name that nobody has had."""
    return f"{what}-{secrets.token_hex(8)}"


def person(user: str) -> profiles_pb.PersonReference:
    """The person with a user id."""
    return profiles_pb.PersonReference(identifier=interaction_pb2.Identifier(type="user_id", value=user))


def tracked(user: str, event: str = "product_viewed", **rest: Any) -> dict[str, Any]:
    """A user did something; `message_id` is fresh unless it is given."""
    return {
        "message_id": fresh("message"),
        "type": "track",
        "event": event,
        "source": "app",
        "identifiers": {"user_id": user},
        **rest,
    }


def identified(user: str, traits: Mapping[str, Any], **rest: Any) -> dict[str, Any]:
    """A user said something of themselves."""
    said = tracked(user, "", traits=dict(traits), **rest)
    return {**said, "type": "identify"}


def typed(user: str, event: str = "product_viewed", **rest: Any) -> interaction_pb2.Interaction:
    """The same as `tracked`, in protobuf."""
    said = {"message_id": fresh("message"), "source": "app", "type": interaction_pb2.INTERACTION_TYPE_TRACK, **rest}
    identifiers = [interaction_pb2.Identifier(type="user_id", value=user)]
    return interaction_pb2.Interaction(event=event, identifiers=identifiers, **said)


def moment(text: str) -> Timestamp:
    """A time on the wire, from RFC 3339."""
    time = Timestamp()
    time.FromJsonString(text)
    return time


def document(said: Mapping[str, Any]) -> bytes:
    """What is sent, as JSON."""
    return json.dumps(said, ensure_ascii=False).encode()


async def refused(call: Any) -> ErrorDetails:
    """What the service says of a call that it refuses."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return details_of(caught.value)


async def refused_stream(call: Any) -> ErrorDetails:
    """The same of a call that is answered by a stream."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        async for _ in call:
            pass
    return details_of(caught.value)


async def patiently(call: Callable[[], Awaitable[Any]]) -> Any:
    """The answer to a call that waits for others, such as for the lease of a dead replica: for as long as it takes."""
    while True:
        try:
            return await call()
        except grpc.aio.AioRpcError as error:
            assert details_of(error).code in {"UNAVAILABLE", "DEADLINE_EXCEEDED"}, error  # noqa: PT017  any other is one
        await asyncio.sleep(0.1)  # who can't be reached refuses at once


async def measured(stack: Stack, metric: str, **labels: str) -> float:
    """The value of one of the service's metrics, 0 while there is none."""
    for family in await metrics_of(stack, metric):
        for sample in family.samples:
            if sample.name == metric and sample.labels.items() >= labels.items():
                return float(sample.value)
    return 0.0


async def metrics_of(stack: Stack, prefix: str = "") -> list[Metric]:
    """What the profile service measures under names that begin so; reading all of it takes a second."""
    (port,) = (part.metrics_port for part in stack.state.parts if part.name == "profile")

    def scrape() -> list[Metric]:
        with urlopen(f"http://{LOOPBACK}:{port}/metrics", timeout=60) as answer:
            wanted = [line for line in answer.read().decode().splitlines() if line.startswith(prefix)]
            return list(text_string_to_metric_families("\n".join([*wanted, ""])))

    return await asyncio.to_thread(scrape)


@asynccontextmanager
async def appends_held(stack: Stack) -> AsyncIterator[Callable[[], Awaitable[bool]]]:
    """Nothing can be appended inside the block: somebody holds the heads of the log. Tells whether anybody waits."""
    connection = await asyncpg.connect(stack.postgres.dsn("profile", role="profile"))

    async def one_waits() -> bool:
        return bool(await connection.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"))

    try:
        async with connection.transaction():
            await connection.execute("SELECT position FROM log_heads FOR UPDATE")
            yield one_waits
    finally:
        await connection.close()


@asynccontextmanager
async def replica(stack: Stack, folder: Path, **settings: str) -> AsyncIterator[Service]:
    """Another process of the profile service on the stack's database and broker."""
    name, port = fresh("replica"), free_port()
    environment = {
        "HOST": LOOPBACK,
        "PORT": str(port),
        "METRICS_PORT": str(free_port()),
        "DATABASE_URL": stack.postgres.dsn("profile", role="profile"),
        "NATS_URL": stack.nats.url,
        **settings,
    }
    service = Service(
        name,
        "services.profile",
        port,
        {f"PORTRAIT_PROFILE_{setting}": value for setting, value in environment.items()},
        folder / f"{name}.log",
    )
    await service.start()
    try:
        yield service
    finally:
        await service.stop()


@pytest.fixture(scope="session")
async def spans() -> AsyncIterator[SpanReceiver]:
    """Receives the spans of the session's stack."""
    async with SpanReceiver() as receiver:
        yield receiver


@pytest.fixture(scope="session")
async def stack(spans: SpanReceiver) -> AsyncIterator[Stack]:
    """One stack for the session. Only calls that bring a sampled trace along are traced."""
    environment = {**_ONLY_TRACED_CALLS, "PORTRAIT_PROFILE_OTLP_ENDPOINT": spans.endpoint}
    async with Stack(services=("profile",), environment=environment, postgres_settings=SMALL) as running:
        yield running


@pytest.fixture(scope="session")
async def connected(stack: Stack) -> AsyncIterator[grpc.aio.Channel]:
    """The session's channel to the profile service."""
    async with channel(stack.services["profile"].target) as opened:
        yield opened


@pytest.fixture(scope="session")
def demo(connected: grpc.aio.Channel) -> Client:
    """The tenant `demo`."""
    return Client(connected, "demo")


@pytest.fixture(scope="session")
def other(connected: grpc.aio.Channel) -> Client:
    """The tenant `other`."""
    return Client(connected, "other")
