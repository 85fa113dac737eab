"""What was said of people by hand or by a file, under the identifiers that it is attached to: a register each."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from libs.conditions.comparisons import Scalar
from libs.eventlog.database import Connection
from services.tagging.codec.values import packed, unpacked
from services.tagging.domain.by_hand import ByHand, Known, Told

# Sorted, so that two transactions never wait for each other in a circle. A tenant's time may stand still, and what is
# said then is later all the same.
_TELL: Final = """
    INSERT INTO set_by_hand AS known
        (tenant, identifier, tag, value, about, set_at, expires_at, by, import_id, event_id)
    SELECT $1, * FROM unnest($2::uuid[], $3::text[], $4::bytea[], $5::text[], $6::bigint[], $7::bigint[], $8::text[],
        $9::text[], $10::uuid[]) AS told(identifier, tag, value, about, set_at, expires_at, by, import_id, event_id)
    ORDER BY identifier, tag
    ON CONFLICT (tenant, identifier, tag) DO UPDATE SET value = excluded.value, about = excluded.about,
        set_at = greatest(excluded.set_at, known.set_at + 1), expires_at = excluded.expires_at, by = excluded.by,
        import_id = excluded.import_id, event_id = excluded.event_id"""

_OF: Final = """
    SELECT identifier, tag, value, about, set_at, expires_at, by, import_id, event_id FROM set_by_hand
    WHERE tenant = $1 AND identifier = ANY($2::uuid[]) AND value IS NOT NULL"""


@dataclass(frozen=True, slots=True)
class ByHandRows:
    """What was said of the people of one tenant."""

    connection: Connection
    tenant: str

    async def tell(self, told: Sequence[Told]) -> None:
        """Let it stand, of each identifier and tag once."""
        if told:
            rows = [(one.identifier, one.tag, packed(one.value), *one[3:]) for one in told]
            await self.connection.execute(_TELL, self.tenant, *(list(column) for column in zip(*rows, strict=True)))

    async def of(self, identifiers: Collection[bytes]) -> list[Known]:
        """What stands of some identifiers; what has expired is among it."""
        return [
            Known(
                row["identifier"],
                row["tag"],
                ByHand(
                    _value(row["value"]),
                    row["set_at"],
                    row["event_id"],
                    row["about"],
                    row["expires_at"],
                    bool(row["import_id"]),
                ),
                row["by"],
            )
            for row in await self.connection.fetch(_OF, self.tenant, list(identifiers))
        ]


def _value(column: bytes) -> Scalar:
    value = unpacked(column)
    assert value is not None
    return value
