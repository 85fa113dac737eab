"""`python -m services.identity.migrations check` tells whether the tables are what the migrations make."""

import asyncio
import sys
import tempfile
from pathlib import Path

from libs.devstack.postgres import PostgresServer
from libs.eventlog.migrations import drift, migrate
from services.identity.migrations import SCRIPTS
from services.identity.migrations.tables import metadata


async def check() -> int:
    """Migrate an empty database and compare; the exit status."""
    with tempfile.TemporaryDirectory() as folder:
        async with PostgresServer(Path(folder) / "postgres") as server:
            await server.create_database("identity", role="identity")
            url = server.dsn("identity", "identity")
            await migrate(url, SCRIPTS, partitions=8)
            differences = await drift(url, metadata)
    for difference in differences:
        sys.stderr.write(f"{difference}\n")
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(check()))
