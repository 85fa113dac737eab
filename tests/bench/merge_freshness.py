"""`merge_freshness`: from the answer to a login until the portrait of the browser is that of the member."""

import asyncio
import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from google.protobuf.field_mask_pb2 import FieldMask
from portrait.profile.v1 import profiles_service_pb2 as pb
from portrait.profile.v1 import profiles_service_pb2_grpc as rpc
from portrait.profile.v1.interaction_pb2 import Identifier

from tests.bench.load import SEED, message_ids, request
from tests.bench.people import DRAIN_SECONDS, NEWCOMERS
from tests.bench.preload import member
from tests.bench.report import Figure, percentile, work
from tests.bench.shop import Shop
from tests.bench.traffic import COLLECT, Requests, at_rate, connected, raw, suppress_overload

RATE: Final = 2_000
BATCH: Final = 100
PROBES: Final = 10
"""One batch in so many is followed by a login."""
PROBE_SECONDS: Final = 0.004
TARGET_MS: Final = 1_000


async def merge_freshness(shop: Shop, seconds: float = 30.0) -> None:
    """2,000 events/s, and after every tenth batch of them somebody logs in with a browser that looked around before.

    The baseline is how long a `GetProfile` takes meanwhile.
    """
    work("merge_freshness", seed=SEED, people=shop.people, rate=RATE, batch=BATCH, newcomers=NEWCOMERS, seconds=seconds)
    delays: list[float] = []
    bare: list[float] = []
    requests = Requests(shop.people, BATCH, NEWCOMERS)
    probed = iter(requests.chance.sample(range(shop.people), int(seconds * RATE / BATCH / PROBES) + 1))
    async with connected(shop.address) as channel, connected(shop.address) as other:
        collecting, profiles = raw(channel, COLLECT), rpc.ProfilesStub(other)
        turn = 0

        async def person_of(type_: str, value: str) -> str:
            who = pb.PersonReference(identifier=Identifier(type=type_, value=value))
            asked = pb.GetProfileRequest(person=who, field_mask=FieldMask(paths=["person_id"]))
            began = time.perf_counter()
            try:
                return (await profiles.GetProfile(asked)).profile.person_id
            finally:
                bare.append((time.perf_counter() - began) * 1000)

        async def send() -> None:
            nonlocal turn
            turn += 1
            with suppress_overload():
                await collecting(requests.next())
                if turn % PROBES:
                    return
                number = member(next(probed))
                (cookie,) = (one.decode() for one in message_ids(time.time_ns() // 1_000_000, 1))
                await collecting(_said({"cookie": cookie}))
                await collecting(_said({"cookie": cookie, "member_no": number}))
                began = time.perf_counter()
                async with asyncio.timeout(DRAIN_SECONDS):
                    while await person_of("cookie", cookie) != await person_of("member_no", number):  # noqa: ASYNC110
                        await asyncio.sleep(PROBE_SECONDS)  # other processes merge
                delays.append((time.perf_counter() - began) * 1000)

        await at_rate(send, RATE / BATCH, seconds)
    for share, goal in ((0.5, None), (0.95, TARGET_MS)):
        told = f"{len(delays)} logins; baseline: a call that reads a portrait"
        name, beside = f"p{share * 100:.0f}_ms", percentile(bare, share)
        Figure("merge_freshness", name, percentile(delays, share), "ms", beside, goal, "lower", told).print()


def _said(identifiers: Mapping[str, str]) -> bytes:
    """A request with one interaction of whoever has these."""
    (id_,) = message_ids(time.time_ns() // 1_000_000, 1)
    said = {
        "message_id": id_.decode(),
        "type": "track",
        "event": "page_viewed",
        "occurred_at": datetime.now(UTC).isoformat(),
        "source": "web",
        "identifiers": dict(identifiers),
    }
    return request([json.dumps(said).encode()])
