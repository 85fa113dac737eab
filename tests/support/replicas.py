"""Replicas of the reference consumer beside a stack, each brought back when it dies."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from libs.devstack.ports import LOOPBACK, free_port
from libs.devstack.service import Service
from libs.devstack.stack import Stack, quiet
from libs.devstack.supervisor import Report, Supervisor

REFERENCE: Final = "reference"


@asynccontextmanager
async def reference_consumers(
    stack: Stack, replicas: int = 1, *, report: Report = quiet, **settings: str
) -> AsyncIterator[list[Service]]:
    """So many processes that count what the stack's profile service records, on one database named `reference`.

    A replica that dies is started again; one that `Service.stop` or `kill` ended stays away until `start`.
    """
    await stack.postgres.create_database(REFERENCE, role=REFERENCE)
    async with Supervisor(report) as supervisor:
        services = [_replica(stack, number, settings) for number in range(1, replicas + 1)]
        await services[0].migrate()
        for service in services:
            await supervisor.start(service)
        yield services


def target_of(stack: Stack, service: str) -> str:
    """Where a gRPC client finds every replica of a service of the stack, and goes on when one of them is gone."""
    names = (name for name in stack.services if name == service or name.startswith(f"{service}-"))
    return "ipv4:" + ",".join(stack.services[name].target for name in names)


def _replica(stack: Stack, number: int, settings: dict[str, str]) -> Service:
    name, port = f"{REFERENCE}-{number}", free_port()
    environment = {
        "HOST": LOOPBACK,
        "PORT": str(port),
        "METRICS_PORT": str(free_port()),
        "DATABASE_URL": stack.postgres.dsn(REFERENCE, role=REFERENCE),
        "NATS_URL": stack.nats.url,
        "SOURCE": target_of(stack, "profile"),
        **settings,
    }
    return Service(
        name,
        "tests.support.reference_consumer",
        port,
        {f"PORTRAIT_REFERENCE_{setting}": value for setting, value in environment.items()},
        stack.data / "logs" / f"{name}.log",
    )
