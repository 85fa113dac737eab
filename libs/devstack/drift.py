"""Whether a service's tables are what its migrations make."""

import asyncio
import sys
import tempfile
from pathlib import Path

from sqlalchemy import MetaData

from libs.devstack.postgres import PostgresServer
from libs.eventlog.migrations import drift, migrate

PARTITIONS = 8


def check(service: str, scripts: Path, metadata: MetaData) -> int:
    """Migrate an empty database, compare, and write each difference to stderr; the exit status."""
    differences = asyncio.run(_differences(service, scripts, metadata))
    for difference in differences:
        sys.stderr.write(f"{difference}\n")
    return 1 if differences else 0


async def _differences(service: str, scripts: Path, metadata: MetaData) -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        async with PostgresServer(Path(folder) / "postgres") as server:
            await server.create_database(service, role=service)
            url = server.dsn(service, service)
            await migrate(url, scripts, partitions=PARTITIONS)
            return await drift(url, metadata)
