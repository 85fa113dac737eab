"""What people hold."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from libs.eventlog.database import Connection
from services.tagging.domain.holding import Holding, decode, encode

_LOAD: Final = "SELECT person, revision, state FROM holdings WHERE tenant = $1 AND person = ANY($2::uuid[])"

_WRITE: Final = """
    INSERT INTO holdings (tenant, person, revision, state)
    SELECT $1, * FROM unnest($2::uuid[], $3::bigint[], $4::bytea[]) AS held(person, revision, state) ORDER BY person
    ON CONFLICT (tenant, person) DO UPDATE SET revision = excluded.revision, state = excluded.state"""


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
        """Let people hold this."""
        if held:
            revisions = [one.revision for one in held.values()]
            await self.connection.execute(
                _WRITE, self.tenant, list(held), revisions, [encode(one) for one in held.values()]
            )
