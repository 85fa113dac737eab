import asyncio
import time
from pathlib import Path

import pytest

from libs.devstack.folder import DataFolder
from libs.eventlog.database import open_pool
from libs.eventlog.event import Envelope, uuid7
from libs.eventlog.postgres import PostgresLog
from libs.eventlog.ranges import Ranges
from libs.runtime.clock import SystemClock
from tests.integration.cli.conftest import Portrait, ndjson, ordered


async def record_what_only_a_newer_release_folds(data: Path, key: bytes) -> None:
    state = DataFolder(data).read()
    assert state is not None
    (server,) = (part.address for part in state.parts if part.name == "postgres")
    clock = SystemClock()
    async with open_pool(server.replace("/postgres?", "/profile?")) as pool:
        log = PostgresLog("interactions", 8, pool, clock, Ranges(pool))
        event = Envelope("demo", "interaction_recorded", version=99).seal().event(uuid7(clock.now()), key, 0, b"{}")
        await log.append([event])


@pytest.fixture
def parked(portrait: Portrait, stack: Path, tmp_path: Path, member: str) -> str:
    """The key of a member whose second interaction of 22 can't be folded."""
    portrait("collect", ndjson(tmp_path / "first.ndjson", ordered(member)))
    key = str(portrait("profile", "show", f"member_no:{member}", "-o", "json").document["person_id"])
    asyncio.run(record_what_only_a_newer_release_folds(stack, bytes.fromhex(key)))
    portrait("collect", ndjson(tmp_path / "more.ndjson", *(ordered(member, n) for n in range(20))))
    until = time.monotonic() + 60
    while key not in portrait("dead-letter", "list", "-o", "json").out:
        assert time.monotonic() < until
        time.sleep(0.1)
    return key


def test_a_dead_letter_is_listed_retried_in_vain_and_dropped(portrait: Portrait, parked: str, member: str) -> None:
    (letter,) = portrait("dead-letter", "list", "--projection", "portraits", "-o", "json").lines
    assert (letter["key"], letter["kind"], letter["log"]) == (parked, "failed", "interactions")
    assert "NewerEventError" in letter["cause"]
    assert parked[:12] in portrait("dead-letter", "list").out

    still = portrait("dead-letter", "retry", "portraits", parked[:10], "-o", "json", status=1).document
    assert (still["folded"], still["failed"]["position"]) == (0, letter["position"])
    assert "still fails at" in portrait("dead-letter", "retry", "portraits", parked, status=1).out

    drop = ("dead-letter", "drop", "portraits", parked[:10], "--because", "sent by a test")
    assert "--yes: is needed where nobody can be asked" in portrait(*drop, status=2).err
    assert "the key flows again" in portrait(*drop, "--yes").out
    assert portrait("dead-letter", "list", "-o", "json").lines == []
    (dropped,) = portrait("dead-letter", "list", "--dropped", "-o", "json").lines
    assert (dropped["kind"], dropped["dropped_why"]) == ("dropped", "sent by a test")
    assert portrait("profile", "show", f"member_no:{member}", "-o", "json").document["interactions"] == 21


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("dead-letter", "retry", "portraits", "ffff"), "no key 'ffff' has dead letters in 'portraits'"),
        (("dead-letter", "drop", "nothing", "ff", "--because", "x", "--yes"), "has dead letters in 'nothing'"),
    ],
)
def test_a_key_without_letters_is_refused_in_one_line(
    portrait: Portrait, arguments: tuple[str, ...], said: str
) -> None:
    refused = portrait(*arguments, status=1)
    assert said in refused.err
    assert refused.err.count("\n") == 1
