"""Waiting until everything has recovered by itself, and saying what has not."""

import asyncio
import time
from collections.abc import Collection, Sequence
from typing import Final

import asyncpg
import grpc
import nats
from nats.errors import Error as NatsError
from nats.js.errors import NotFoundError

from libs.devstack.service import is_serving
from libs.eventlog.event import partition_of
from libs.eventlog.stream import position_of, stream_name, subject_of
from tests.chaos.golden import key_of
from tests.chaos.load import Producer
from tests.chaos.mending import retry_dead_letters
from tests.chaos.stage import PARTITIONS, PROFILES, Database, Stage
from tests.chaos.tagging import Office
from tests.chaos.town import people_of

RECOVERED_WITHIN: Final = 60.0  # seconds after the last fault, on a machine that has other things to do
LOOK_EVERY: Final = 0.1  # seconds

_HEADS: Final = "SELECT partition, position FROM log_heads"
_CONSUMED: Final = "SELECT partition, position FROM checkpoints WHERE consumer <> 'relay' AND log = 'interactions'"
_MAPPED: Final = "SELECT partition, position FROM checkpoints WHERE consumer <> 'relay' AND log = 'identity'"
_FOLDED: Final = "SELECT partition, position FROM checkpoints WHERE consumer = 'features' AND log = 'interactions'"
_UNDONE: Final = {
    "anchors are to be folded anew": "SELECT count(*) FROM refolds",
    "definitions are on their way": "SELECT count(*) FROM definitions WHERE state IN ('filling', 'retiring')",
    "definitions are new to somebody": "SELECT count(*) FROM marks",
    "people are due": "SELECT count(*) FROM due WHERE at <= 1",
}
_WAITING: Final = "SELECT count(*) FROM waiting"

_UNREACHABLE: Final = (OSError, asyncpg.PostgresError, NatsError, TimeoutError, grpc.aio.AioRpcError)


async def recovered(stage: Stage, producers: Sequence[Producer], office: Office, seed: int, within: float) -> list[str]:
    """Wait until every replica takes what it is for and all of that has reached consumers and broker, and who is who is
    settled and known, and what is published in force.

    Answers what has not come about `within` so many seconds.
    """
    end = time.monotonic() + within
    missing = ["nobody has looked yet"]
    greeted = {partition_of(key_of(person.account), PARTITIONS) for person in people_of(seed)}
    for producer in producers[: len(PROFILES)]:
        while not await producer.greet(people_of(seed)):  # so that each stream has something to take
            if time.monotonic() > end:
                return [f"{producer.name} is not answered {within:g} s after the last fault"]
            await asyncio.sleep(LOOK_EVERY)
    try:
        async with asyncio.timeout(within):
            said = await office.finish()
    except TimeoutError:
        return [f"nobody is answered {within:g} s after the last fault who has to do with tags"]
    while missing and time.monotonic() < end:
        await asyncio.sleep(LOOK_EVERY)
        missing = await _missing(stage, greeted, said)
    return [f"{within:g} s after the last fault, {one}" for one in missing]


async def _missing(stage: Stage, greeted: Collection[int], said: dict[int, int]) -> list[str]:
    try:
        heads = await _positions(stage, "profile", _HEADS)
        missing = _behind("the consumer", await _positions(stage, "reference", _CONSUMED), heads)
        missing += _behind("identity", await _positions(stage, "identity", _CONSUMED), heads)
        missing = missing or await _unsettled(stage)
        if stage.tags:
            missing = missing or await _untagged(stage, heads)
        missing = missing or await retry_dead_letters(stage)
        if missing:
            return missing
        for log, its_heads in (("interactions", heads), ("counts", await _positions(stage, "reference", _HEADS))):
            fresh = {partition: its_heads[partition] for partition in greeted}
            missing += _behind(f"the stream of {log}", await _published(stage, log, greeted), fresh)
        missing += _behind("the stream of tags", await _published(stage, "tags", said), said)
    except _UNREACHABLE as error:
        return [f"a server does not answer: {error!r}"]
    return missing + [
        f"{name} is not serving" for name, replica in stage.replicas.items() if not await is_serving(replica.target)
    ]


async def _unsettled(stage: Stage) -> list[str]:
    connection = await asyncpg.connect(stage.dsn("identity"), timeout=2)
    try:
        if waiting := await connection.fetchval(_WAITING):
            return [f"{waiting} identifiers are in the slow lane"]
    finally:
        await connection.close()
    said = await _positions(stage, "identity", _HEADS)
    return _behind("profile's map", await _positions(stage, "profile", _MAPPED), said)


async def _untagged(stage: Stage, heads: dict[int, int]) -> list[str]:
    """What has yet to be taken in before everybody has the tags that they must."""
    missing = _behind("tagging", await _positions(stage, "tagging", _FOLDED), heads)
    said = await _positions(stage, "identity", _HEADS)
    missing += _behind("tagging's map", await _positions(stage, "tagging", _MAPPED), said)
    connection = await asyncpg.connect(stage.dsn("tagging"), timeout=2)
    try:
        for what, query in _UNDONE.items():
            if count := await connection.fetchval(query):
                missing.append(f"{count} {what}")
    finally:
        await connection.close()
    return missing


def _behind(who: str, positions: dict[int, int], heads: dict[int, int]) -> list[str]:
    return [
        f"{who} is at {positions.get(partition, 0)} of {head} in partition {partition}"
        for partition, head in heads.items()
        if positions.get(partition, 0) < head
    ]


async def _positions(stage: Stage, database: Database, query: str) -> dict[int, int]:
    connection = await asyncpg.connect(stage.dsn(database), timeout=2)
    try:
        return dict(map(tuple, await connection.fetch(query)))
    finally:
        await connection.close()


async def _published(stage: Stage, log: str, partitions: Collection[int]) -> dict[int, int]:
    client = await nats.connect(stage.nats.url, allow_reconnect=False, connect_timeout=2)
    positions = {}
    try:
        jetstream = client.jetstream(timeout=2)
        for partition in partitions:
            try:
                message = await jetstream.get_last_msg(stream_name(log), subject_of(log, partition))
            except NotFoundError:
                continue
            positions[partition] = position_of(message.headers)
    finally:
        await client.close()
    return positions
