import asyncio
from pathlib import Path
from textwrap import dedent

import asyncpg
import pytest

from libs.eventlog.migrations import drift, migrate
from services.profile.migrations import SCRIPTS
from services.profile.migrations.tables import metadata
from tests.support.logs import PARTITIONS

ENTRY = (SCRIPTS / "env.py").read_text(encoding="utf-8")


async def test_replicas_that_migrate_at_once_do_it_once(database: str) -> None:
    await asyncio.gather(*(migrate(database, SCRIPTS, partitions=PARTITIONS) for _ in range(3)))
    connection = await asyncpg.connect(database)
    heads = await connection.fetchval("SELECT count(*) FROM log_heads")
    await connection.close()
    assert heads == PARTITIONS


async def test_the_tables_are_what_the_migrations_make(migrated_dsn: str) -> None:
    assert await drift(migrated_dsn, metadata) == []


async def test_drift_is_told(migrated_dsn: str) -> None:
    connection = await asyncpg.connect(migrated_dsn)
    await connection.execute("ALTER TABLE schemas ADD COLUMN surprise int; DROP INDEX message_ids_by_age")
    await connection.close()
    assert len(await drift(migrated_dsn, metadata)) == 2


async def test_ranges_are_no_drift(migrated_dsn: str) -> None:
    connection = await asyncpg.connect(migrated_dsn)
    await connection.execute("CREATE TABLE log_from_0 (LIKE log)")
    await connection.close()
    assert await drift(migrated_dsn, metadata) == []


async def test_a_migration_that_fails_says_why_and_leaves_nothing(database: str, tmp_path: Path) -> None:
    (tmp_path / "versions").mkdir()
    (tmp_path / "env.py").write_text(ENTRY, encoding="utf-8")
    (tmp_path / "versions" / "0001_broken.py").write_text(
        dedent(
            """
            from alembic import op
            revision, down_revision = "0001", None

            def upgrade():
                op.execute("CREATE TABLE made (n int)")
                op.execute("SELECT 1 / 0")
            """
        ),
        encoding="utf-8",
    )
    with pytest.raises(Exception, match="division by zero"):
        await migrate(database, tmp_path, partitions=1)
    connection = await asyncpg.connect(database)
    assert await connection.fetchval("SELECT to_regclass('made')") is None
    await connection.close()
    await asyncio.wait_for(migrate(database, SCRIPTS, partitions=1), 60)  # and nobody holds the lock
