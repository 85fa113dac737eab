"""Profile, and two replicas of identity that can be made to die at a moment of their own; each is brought back."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import asyncpg

from libs.devstack.ports import LOOPBACK, free_port
from libs.devstack.service import Service
from libs.devstack.stack import Stack, quiet
from libs.devstack.supervisor import Supervisor
from libs.eventlog.database import open_pool
from tests.support.mortal_identity import DEATHS, Moment
from tests.support.profile import SMALL

REPLICAS: Final = 2
LARGEST: Final = 6  # identifiers that are resolved in passing: few, so that the slow lane is died in, too


@dataclass
class Mortal:
    """What runs. `replicas` spreads calls over those of identity."""

    stack: Stack
    replicas: str
    identity: asyncpg.Pool
    deaths: Path

    def die(self, moment: Moment) -> None:
        """Let whichever replica comes to the moment first be killed there."""
        (self.deaths / moment).touch()

    def all_died(self) -> bool:
        """Whether nobody is yet to die."""
        return not any(self.deaths.iterdir())


@asynccontextmanager
async def mortal_stack() -> AsyncIterator[Mortal]:
    """All of it up inside the block, and gone after it."""
    ports = [free_port() for _ in range(REPLICAS)]
    replicas = "ipv4:" + ",".join(f"{LOOPBACK}:{port}" for port in ports)
    environment = {"PORTRAIT_PROFILE_IDENTITY": replicas}
    async with Stack(services=("profile",), environment=environment, postgres_settings=SMALL) as stack:
        await stack.postgres.create_database("identity", role="identity")
        deaths = stack.data / "deaths"
        deaths.mkdir()
        services = [_replica(stack, number, port, deaths) for number, port in enumerate(ports, 1)]
        await services[0].migrate()
        async with (
            open_pool(stack.postgres.dsn("identity", role="identity"), size=2, scans=False) as identity,
            Supervisor(quiet) as supervisor,
        ):
            await asyncio.gather(*map(supervisor.start, services))
            yield Mortal(stack, replicas, identity, deaths)


def _replica(stack: Stack, number: int, port: int, deaths: Path) -> Service:
    settings = {
        "HOST": LOOPBACK,
        "PORT": str(port),
        "METRICS_PORT": str(free_port()),
        "DATABASE_URL": stack.postgres.dsn("identity", role="identity"),
        "NATS_URL": stack.nats.url,
        "SOURCE": stack.services["profile"].target,
        "LARGEST_NEIGHBOURHOOD": str(LARGEST),
        "LEASE_SECONDS": "1",
    }
    environment = {f"PORTRAIT_IDENTITY_{setting}": value for setting, value in settings.items()}
    name = f"identity-{number}"
    log = stack.data / "logs" / f"{name}.log"
    return Service(name, "tests.support.mortal_identity", port, {**environment, DEATHS: str(deaths)}, log)
