"""What people hold."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from libs.eventlog.database import Connection
from services.tagging.domain.holding import Holding, decode, encode
from services.tagging.store.touched import telling

_LOAD: Final = "SELECT person, revision, state FROM holdings WHERE tenant = $1 AND person = ANY($2::uuid[])"

_BEHIND: Final = """
    SELECT person, revision, state FROM holdings WHERE tenant = $1 AND person > $2 ORDER BY person LIMIT $3"""

_WRITE: Final = telling(
    """
    INSERT INTO holdings (tenant, person, revision, state)
    SELECT $1, * FROM unnest($2::uuid[], $3::bigint[], $4::bytea[]) AS held(person, revision, state) ORDER BY person
    ON CONFLICT (tenant, person) DO UPDATE SET revision = excluded.revision, state = excluded.state""",
    "$2",
    held=True,
)


@dataclass(frozen=True, slots=True)
class HoldingRows:
    """What people of one tenant hold; of one person, only whoever holds their row in `due` may write."""

    connection: Connection
    tenant: str

    async def load(self, people: Collection[bytes]) -> dict[bytes, Holding]:
        """What each of some people holds, of whom anything was ever told."""
        rows = await self.connection.fetch(_LOAD, self.tenant, list(people))
        return {row["person"]: decode(row["revision"], row["state"]) for row in rows}

    async def write(self, held: Mapping[bytes, Holding]) -> None:
        """Let people hold this, and tell that they do."""
        if held:
            revisions = [one.revision for one in held.values()]
            await self.connection.execute(
                _WRITE, self.tenant, list(held), revisions, [encode(one) for one in held.values()]
            )

    async def behind(self, person: bytes, limit: int) -> dict[bytes, Holding]:
        """What people behind an id hold, in the order of ids."""
        rows = await self.connection.fetch(_BEHIND, self.tenant, person, limit)
        return {row["person"]: decode(row["revision"], row["state"]) for row in rows}
