"""The lifecycle over gRPC and on the command line: published with a plan, read, and explained in event ids."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from portrait.tagging.v1 import tags_service_pb2 as pb

from libs.cli.__main__ import main
from libs.rpc.times import timestamp
from services.tagging.domain.names import DAY
from tests.support.documents import lifecycle
from tests.support.interactions import NOON
from tests.support.profile import refused
from tests.support.tagging_service import Tagged

BOUGHT = "{did: {event: order_completed}}"
QUIET = "{did_not: {event: order_completed, within: 3d}}"
BUYERS = lifecycle("visitor", ("visitor", "buyer", BOUGHT), ("buyer", "lost", QUIET))


async def publish(tagged: Tagged, said: str = BUYERS, **more: Any) -> pb.PublishLifecycleResponse:
    request = pb.PublishLifecycleRequest(document=said, **more)
    answer: pb.PublishLifecycleResponse = await tagged.stub.PublishLifecycle(request)
    await tagged.settle()
    return answer


async def stage(tagged: Tagged, user: str) -> tuple[str, int]:
    request = pb.GetPersonTagsRequest(person=tagged.reference(user))
    found = (await tagged.stub.GetPersonTags(request)).stage
    return found.stage, found.since.ToMicroseconds()


async def test_publishing_tells_who_would_come_into_a_stage_and_then_they_are_in_it(tagged: Tagged) -> None:
    await tagged.did("u1", "order_completed")
    await tagged.did("u2", "product_viewed")
    tried = await tagged.stub.PublishLifecycle(pb.PublishLifecycleRequest(document=BUYERS, validate_only=True))
    assert (tried.plan.looked_at, tried.plan.gained, list(tried.plan.changes)) == (2, 1, ["the lifecycle is new"])
    assert (await refused(tagged.stub.GetLifecycle(pb.GetLifecycleRequest()))).code == "NOT_FOUND"
    first = await publish(tagged, request_id="r1")
    assert (first.definition.version, first.definition.initial) == (1, "visitor")
    assert [one.key for one in first.definition.stages] == ["visitor", "buyer", "lost"]
    assert (await publish(tagged, request_id="r1")).definition.version == 1
    assert (await stage(tagged, "u1"))[0] == "buyer"
    assert (await stage(tagged, "u2"))[0] == ""
    told = pb.GetPersonTagsRequest(person=tagged.reference("u1"), as_of=timestamp(NOON + DAY))
    as_told = (await tagged.stub.GetPersonTags(told)).stage
    assert (as_told.stage, as_told.since.ToMicroseconds()) == await stage(tagged, "u1")
    assert (await refused(publish(tagged, BUYERS.replace("3d", "4d"), etag="another"))).code == "ABORTED"
    changed = await publish(tagged, BUYERS.replace("3d", "4d"), etag=first.definition.etag)
    assert (changed.definition.version, list(changed.plan.changes)) == (2, ["other moves"])
    found = await tagged.stub.GetLifecycle(pb.GetLifecycleRequest())
    assert [one.version for one in found.versions] == [1, 2]


async def test_a_document_that_can_not_be_meant_is_refused_at_its_place(tagged: Tagged) -> None:
    told = await refused(publish(tagged, BUYERS.replace("to: lost", "to: lots")))
    assert (told.code, "moves[1].to" in told.message, "did you mean 'lost'" in told.message) == (
        "INVALID_ARGUMENT",
        True,
        True,
    )


async def test_a_stage_is_explained_move_by_move_in_event_ids_with_what_lies_ahead(tagged: Tagged) -> None:
    await publish(tagged)
    ids = [await tagged.did("u1", "order_completed", NOON - 10 * DAY), await tagged.did("u1", "order_completed")]
    request = pb.ExplainStageRequest(person=tagged.reference("u1"))
    told = await tagged.stub.ExplainStage(request)
    assert [(one.former, one.stage, one.by_time, one.move) for one in told.moves] == [
        ("", "visitor", False, ""),
        ("visitor", "buyer", False, "moves[0]"),
        ("buyer", "lost", True, "moves[1]"),
    ]
    assert list(told.moves[1].leaves[0].event_ids) == ids[:1], "what came later has no part in it"
    (quiet,) = told.moves[2].leaves
    assert (quiet.asks.startswith("{did_not: "), quiet.holds) == (True, True)
    assert (told.found, told.ahead) == ("lost", [])

    await publish(
        tagged,
        lifecycle(
            "visitor", ("visitor", "buyer", "{did: {event: order_completed, times: 2}}"), ("buyer", "lost", QUIET)
        ),
    )
    told = await tagged.stub.ExplainStage(request)
    assert list(told.moves[-1].leaves[0].event_ids) == ids
    assert [(one.former, one.stage) for one in told.ahead] == [("buyer", "lost")]
    assert told.ahead[0].at == told.held.expires_at
    assert (told.held.stage, told.held.since) == (told.found, told.moves[-1].at)
    assert "will be lost on" in told.summary


async def test_the_command_line_publishes_shows_and_explains(
    tagged: Tagged, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async def portrait(*arguments: str) -> str:
        where = ["--address", tagged.address, "--tenant", tagged.tenant.id]
        capsys.readouterr()
        ended = await asyncio.to_thread(main, ["lifecycle", *arguments, *where])
        captured = capsys.readouterr()
        assert ended == 0, captured.err
        return captured.out

    file = tmp_path / "lifecycle.yaml"
    file.write_text(BUYERS, encoding="utf-8")
    await tagged.did("u1", "order_completed")
    assert "1 would get it" in await portrait("apply", str(file), "--dry-run")
    assert "version 1" in await portrait("apply", str(file), "--yes")
    await tagged.settle()
    assert await portrait("show") == BUYERS
    assert "visitor → buyer by what happened" in await portrait("explain", "user_id:u1")
    assert json.loads(await portrait("explain", "user_id:u1", "-o", "json"))["found"] == "buyer"
    file.write_text(BUYERS.replace("3d", "4d"), encoding="utf-8")
    assert "version 2" in await portrait("apply", str(file), "--yes")
