"""The thresholds by which people are ranked; only whoever holds the catalogue adds one."""

from dataclasses import dataclass
from typing import Final

from libs.eventlog.database import Connection
from services.tagging.domain.cuts import CutMade

_NEWEST: Final = """
    SELECT DISTINCT ON (tag, measure) tag, measure, day, thresholds, population, version, event_id
    FROM cuts WHERE tenant = $1 AND day <= $2 ORDER BY tag, measure, day DESC"""

_COUNT: Final = "SELECT count(*) FROM cuts WHERE tenant = $1 AND tag = $2"

_ADD: Final = """
    INSERT INTO cuts (tenant, tag, measure, day, thresholds, population, version, event_id)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING RETURNING 1"""

_EVER: Final = 2**31 - 1


@dataclass(frozen=True, slots=True)
class CutRows:
    """The cuts of one tenant."""

    connection: Connection
    tenant: str

    async def newest(self, until: int = _EVER) -> list[CutMade]:
        """The last cut up to a day of each tag, by each measure that it ever had."""
        return [
            CutMade(tag, measure, day, tuple(thresholds), population, version, event_id)
            for tag, measure, day, thresholds, population, version, event_id in await self.connection.fetch(
                _NEWEST, self.tenant, until
            )
        ]

    async def count(self, tag: str) -> int:
        """How many cuts of a tag there are."""
        count: int = await self.connection.fetchval(_COUNT, self.tenant, tag)
        return count

    async def add(self, cut: CutMade) -> bool:
        """Let people be ranked by a cut; whether it was not there already."""
        told = (cut.tag, cut.measure, cut.day, list(cut.thresholds), cut.population, cut.version, cut.event_id)
        return bool(await self.connection.fetchval(_ADD, self.tenant, *told))
