"""Migrations in the process of the tests: one of their own takes 2 s to import what it needs.

That the command `migrate` does it is held by whatever another process starts, such as the stack of the CLI's tests.
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from importlib import import_module
from types import MappingProxyType
from typing import Final

from libs.devstack.service import Service
from libs.devstack.stack import SERVICES
from libs.eventlog.migrations import migrate
from tests.support.reference_consumer.tables import prepare

PARTITIONS: Final = "8"  # unless a setting says otherwise


async def _migrate_service(name: str, database: str, partitions: int) -> None:
    await migrate(database, import_module(f"services.{name}.migrations").SCRIPTS, partitions=partitions)


_KNOWN: Final = MappingProxyType[str, Callable[[str, int], Awaitable[None]]](
    {**{name: partial(_migrate_service, name) for name in SERVICES}, "reference": prepare}
)
_by_command = Service.migrate
_alone = asyncio.Lock()  # Alembic keeps what it works on in a global


async def _migrate(self: Service) -> None:
    """Migrate what the environment names, whatever module the service is started as; an unknown one by its command."""
    for name, migrated in _KNOWN.items():
        setting = f"PORTRAIT_{name.upper()}_{{}}".format
        if database := self._environment.get(setting("DATABASE_URL")):
            async with _alone:
                await migrated(database, int(self._environment.get(setting("PARTITIONS"), PARTITIONS)))
            return
    await _by_command(self)


def migrate_here() -> None:
    """Spare the services' processes from now on."""
    Service.migrate = _migrate  # type: ignore[method-assign]
