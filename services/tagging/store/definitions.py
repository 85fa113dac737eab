"""The versions of a tenant's definitions in tables, and which of them people are answered by.

A version is filling until it is flipped, then live until a later one is flipped, then former. Retired, it is retiring
until that is flipped, too. A version that was filling when a later one came is former at once.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from libs.eventlog.database import Connection
from services.tagging.domain.published import Published, State

_BEGIN: Final = "INSERT INTO catalogues (tenant, version) VALUES ($1, 0) ON CONFLICT DO NOTHING"

_HOLD: Final = "SELECT version FROM catalogues WHERE tenant = $1 FOR UPDATE"

_VERSION: Final = "SELECT version FROM catalogues WHERE tenant = $1"

_CHANGED: Final = "UPDATE catalogues SET version = version + 1 WHERE tenant = $1 RETURNING version"

_IN_STATES: Final = """
    SELECT name, version, state, document, published_at, published_by, event_id, retired_by
    FROM definitions WHERE tenant = $1 AND state = ANY($2::text[]) ORDER BY name, version"""

_IN_FORCE: Final = """
    SELECT name, version, state, document, published_at, published_by, event_id, retired_by
    FROM definitions WHERE tenant = $1 AND name = $2 AND state IN ('live', 'filling') ORDER BY version DESC LIMIT 1"""

_NEWEST: Final = """
    SELECT DISTINCT ON (name) name, version, state, document, published_at, published_by, event_id, retired_by
    FROM definitions WHERE tenant = $1 AND name > $2
    ORDER BY name, version DESC LIMIT $3"""

_VERSIONS: Final = """
    SELECT name, version, state, document, published_at, published_by, event_id, retired_by
    FROM definitions WHERE tenant = $1 AND name = $2 ORDER BY version"""

_SUPERSEDE: Final = """
    UPDATE definitions SET state = 'former' WHERE tenant = $1 AND name = $2 AND state = 'filling'"""

_PUBLISH: Final = """
    INSERT INTO definitions (tenant, name, version, state, document, published_at, published_by, event_id)
    VALUES ($1, $2, $3, 'filling', $4, $5, $6, $7)"""

_RETIRE: Final = """
    UPDATE definitions SET retired_by = $3,
        state = CASE state WHEN 'live' THEN 'retiring' WHEN 'filling' THEN 'former' ELSE state END
    WHERE tenant = $1 AND name = $2 AND state IN ('live', 'filling')"""

_GO_LIVE: Final = """
    UPDATE definitions SET state = 'live'
    FROM unnest($2::text[], $3::integer[]) AS wanted(name, version)
    WHERE tenant = $1 AND state = 'filling'
        AND definitions.name = wanted.name AND definitions.version = wanted.version
    RETURNING definitions.name, definitions.version"""

_STEP_BACK: Final = """
    UPDATE definitions SET state = 'former'
    FROM unnest($2::text[], $3::integer[]) AS begun(name, version)
    WHERE tenant = $1 AND state IN ('live', 'retiring')
        AND definitions.name = begun.name AND definitions.version <> begun.version"""

_END: Final = """
    UPDATE definitions SET state = 'retired'
    WHERE tenant = $1 AND state = 'retiring' AND NOT name = ANY($2::text[]) RETURNING name"""

_TENANTS_WAITING: Final = """
    SELECT tenant FROM catalogues JOIN unnest($1::text[], $2::integer[]) AS known(tenant, version) USING (tenant)
    WHERE catalogues.version <> known.version
    UNION SELECT tenant FROM marks
    UNION SELECT tenant FROM layers WHERE state = 'filling'"""


@dataclass(frozen=True, slots=True)
class DefinitionRows:
    """The definitions of one tenant."""

    connection: Connection
    tenant: str

    async def hold(self) -> int:
        """The version of the catalogue, which nobody else changes until the transaction ends."""
        version: int | None = await self.connection.fetchval(_HOLD, self.tenant)
        if version is None:
            await self.connection.execute(_BEGIN, self.tenant)
            version = await self.connection.fetchval(_HOLD, self.tenant)
        return version or 0

    async def version(self) -> int:
        """The version of the catalogue as this transaction sees it."""
        version: int | None = await self.connection.fetchval(_VERSION, self.tenant)
        return version or 0

    async def in_states(self, *states: State) -> list[Published]:
        """Every version in one of these states."""
        return _published(await self.connection.fetch(_IN_STATES, self.tenant, list(states)))

    async def in_force(self, name: str) -> Published | None:
        """The version of one that people are answered by, or will be after the next flip."""
        found = _published(await self.connection.fetch(_IN_FORCE, self.tenant, name))
        return found[0] if found else None

    async def newest(self, after: str, limit: int) -> list[Published]:
        """The newest version of everything behind a name, in order of names."""
        return _published(await self.connection.fetch(_NEWEST, self.tenant, after, limit))

    async def versions(self, name: str) -> list[Published]:
        """Every version of a definition, oldest first."""
        return _published(await self.connection.fetch(_VERSIONS, self.tenant, name))

    async def publish(self, one: Published) -> int:
        """Let a version be the next one; only for whoever holds the catalogue. Answers the catalogue's version."""
        await self.connection.execute(_SUPERSEDE, self.tenant, one.name)
        told = (one.name, one.version, one.document, one.published_at, one.published_by, one.event_id)
        await self.connection.execute(_PUBLISH, self.tenant, *told)
        return await self._changed()

    async def retire(self, name: str, event_id: bytes) -> int:
        """Let a definition be on its way out; only for whoever holds the catalogue. Answers the catalogue's version."""
        await self.connection.execute(_RETIRE, self.tenant, name, event_id)
        return await self._changed()

    async def flip(self, wanted: Iterable[tuple[str, int]]) -> set[str]:
        """Let people be answered by exactly these versions, by name, for all of which everything is kept.

        What was retired meanwhile or superseded stays so. Answers those that are otherwise now. Only for
        whoever holds the catalogue.
        """
        kept = list(wanted)
        columns = [name for name, _ in kept], [version for _, version in kept]
        begun = [(row["name"], row["version"]) for row in await self.connection.fetch(_GO_LIVE, self.tenant, *columns)]
        if begun:
            now = [name for name, _ in begun], [version for _, version in begun]
            await self.connection.execute(_STEP_BACK, self.tenant, *now)
        ended = await self.connection.fetch(_END, self.tenant, columns[0])
        changed = {name for name, _ in begun} | {name for (name,) in ended}
        if changed:
            await self._changed()
        return changed

    async def touch(self) -> int:
        """Let what people are answered by be another; only for whoever holds the catalogue. Answers its version."""
        return await self._changed()

    async def _changed(self) -> int:
        version: int = await self.connection.fetchval(_CHANGED, self.tenant)
        return version


async def tenants_waiting(connection: Connection, known: Mapping[str, int]) -> set[str]:
    """The tenants whose catalogue is at another version than the known one, or of whom a layer is filling, or of whom
    not everybody is due yet for what went live.
    """
    rows = await connection.fetch(_TENANTS_WAITING, list(known), list(known.values()))
    return {row["tenant"] for row in rows}


def _published(rows: Collection[object]) -> list[Published]:
    return [Published(*row) for row in rows]  # type: ignore[misc]  # a row is a tuple of the columns named
