"""What is kept of the events of each place, in the layers in which it was folded."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from libs.eventlog.database import Connection
from services.tagging.domain.layers import BASE, Layers, Row

_LOAD: Final = "SELECT place, layer, state FROM features WHERE tenant = $1 AND place = ANY($2::uuid[])"

_WRITE: Final = """
    INSERT INTO features (tenant, place, layer, anchor, state)
    SELECT $1, place, $2, anchor, state
    FROM unnest($3::uuid[], $4::uuid[], $5::bytea[]) AS kept(place, anchor, state) ORDER BY place
    ON CONFLICT (tenant, place, layer) DO UPDATE SET state = excluded.state"""

_SETTLE: Final = """
    DELETE FROM features WHERE tenant = $1 AND place = ANY($2::uuid[]) AND layer = ANY($3::integer[])"""

_FORGET: Final = """
    DELETE FROM features
    WHERE tenant = $1 AND layer = ANY($2::integer[]) AND (place = $3 OR anchor = $3 AND anchor <> place)
    RETURNING place"""

_FORGET_LAYER: Final = "DELETE FROM features WHERE tenant = $1 AND layer = $2"

_ANCHORS: Final = """
    SELECT DISTINCT place, anchor FROM features
    WHERE tenant = $1 AND place = ANY($2::uuid[]) AND layer = ANY($3::integer[])"""

_LAYERS: Final = "SELECT number, features, state FROM layers WHERE tenant = $1 ORDER BY number"

_ALL_FILLING: Final = "SELECT tenant, number FROM layers WHERE state = 'filling' ORDER BY number"

_HOLD_FILLING: Final = f"{_ALL_FILLING} FOR SHARE"

_BEGIN: Final = """
    INSERT INTO layers (tenant, features, state) VALUES ($1, $2, 'filling') RETURNING number"""

_GO_LIVE: Final = "UPDATE layers SET state = 'live' WHERE number = $1"

_DROP: Final = "DELETE FROM layers WHERE number = $1"

_FINGERPRINT_BYTES: Final = 8


class Kept(NamedTuple):
    """What is to be kept of a place."""

    place: bytes
    anchor: bytes
    state: bytes


class Filling(NamedTuple):
    """A layer that is being folded from history."""

    number: int
    features: frozenset[int]


@dataclass(frozen=True, slots=True)
class FeatureRows:
    """The features of one tenant."""

    connection: Connection
    tenant: str

    async def load(self, places: Collection[bytes], layers: Collection[int]) -> dict[bytes, list[Row]]:
        """What some layers hold of places; a place of which nothing was seen has none."""
        found: dict[bytes, list[Row]] = {}
        for place, layer, state in await self.connection.fetch(_LOAD, self.tenant, list(places)):
            if layer in layers:
                found.setdefault(place, []).append(Row(layer, state))
        return found

    async def write(self, layer: int, kept: Sequence[Kept]) -> None:
        """Keep the features of places in a layer."""
        if kept:
            columns = [list(column) for column in zip(*kept, strict=True)]
            await self.connection.execute(_WRITE, self.tenant, layer, *columns)

    async def settle(self, places: Collection[bytes], layers: Collection[int]) -> None:
        """Drop what some layers hold of places, because it stands in a later one now."""
        await self.connection.execute(_SETTLE, self.tenant, list(places), list(layers))

    async def forget(self, anchor: bytes, layers: Collection[int]) -> set[bytes]:
        """Drop what some layers hold of an anchor in all its parts; the places that these were."""
        rows = await self.connection.fetch(_FORGET, self.tenant, list(layers), anchor)
        return {row["place"] for row in rows}

    async def anchors(self, places: Collection[bytes], layers: Collection[int]) -> dict[bytes, bytes]:
        """The anchors of places of which anything was seen."""
        rows = await self.connection.fetch(_ANCHORS, self.tenant, list(places), list(layers))
        return {row["place"]: row["anchor"] for row in rows}

    async def layers(self) -> tuple[Layers, list[Filling]]:
        """The layers that are live, and those that are filling."""
        live: dict[int, frozenset[int]] = {}
        filling: list[Filling] = []
        for number, features, state in await self.connection.fetch(_LAYERS, self.tenant):
            if state == "live":
                live[number] = _unpacked(features)
            else:
                filling.append(Filling(number, _unpacked(features)))
        return Layers(live), filling

    async def begin(self, features: frozenset[int]) -> Filling:
        """Begin a layer for some features."""
        number = await self.connection.fetchval(_BEGIN, self.tenant, _packed(features))
        return Filling(number, features)

    async def go_live(self, number: int) -> None:
        """Let a layer count."""
        await self.connection.execute(_GO_LIVE, number)

    async def drop(self, number: int) -> None:
        """Drop a layer that is filling, with all that it holds."""
        await self.connection.execute(_FORGET_LAYER, self.tenant, number)
        await self.connection.execute(_DROP, number)


async def all_filling(connection: Connection) -> list[tuple[str, int]]:
    """The layers of all tenants that are filling: tenant and number."""
    return [(tenant, number) for tenant, number in await connection.fetch(_ALL_FILLING)]


async def hold_filling(connection: Connection) -> list[tuple[str, int]]:
    """The same, and none of them goes live or is dropped until the transaction ends."""
    return [(tenant, number) for tenant, number in await connection.fetch(_HOLD_FILLING)]


def live_numbers(layers: Layers) -> frozenset[int]:
    """The layers that count."""
    return frozenset({BASE, *layers.live})


def _packed(features: Iterable[int]) -> bytes:
    return b"".join(one.to_bytes(_FINGERPRINT_BYTES, "big") for one in sorted(features))


def _unpacked(packed: bytes) -> frozenset[int]:
    size = _FINGERPRINT_BYTES
    return frozenset(int.from_bytes(packed[at : at + size], "big") for at in range(0, len(packed), size))
