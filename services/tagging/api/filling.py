"""How far history is folded for what was published, as the positions in the database have it: any replica knows."""

from typing import Final

import asyncpg
from portrait.ops.v1 import projections_service_pb2 as ops_pb

from libs.eventlog.service import Standing
from services.tagging.folding import FEATURES, INTERACTIONS
from services.tagging.refolding import consumer_of
from services.tagging.store.features import all_filling

_POSITIONS: Final = "SELECT consumer, partition, position FROM checkpoints WHERE log = $1 AND consumer = ANY($2)"


async def standings_of_filling(pool: asyncpg.Pool) -> list[Standing]:
    """How each layer fares that is filling; it lacks what the live fold has and it has not."""
    async with pool.acquire() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
        layers = [consumer_of(number) for _, number in await all_filling(connection)]
        rows = await connection.fetch(_POSITIONS, INTERACTIONS, [FEATURES, *layers]) if layers else ()
    positions: dict[str, dict[int, int]] = {name: {} for name in (FEATURES, *layers)}
    for name, partition, position in rows:
        positions[name][partition] = position
    return [_standing(name, positions[FEATURES], positions[name]) for name in layers]


def _standing(name: str, live: dict[int, int], reached: dict[int, int]) -> Standing:
    lacking = sum(max(0, position - reached.get(partition, 0)) for partition, position in live.items())
    return Standing(name, 1, ops_pb.PROJECTION_KIND_CONSUMER, INTERACTIONS, lacking, 0.0)
