"""Scores over gRPC: computed for the answer, now and as of then, and explained by what each kind of evidence brings."""

from typing import Any

import pytest
from portrait.tagging.v1 import tag_pb2 as tags
from portrait.tagging.v1 import tags_service_pb2 as pb

from libs.rpc.times import LATEST_SECONDS, timestamp
from libs.runtime.clock import SECOND
from services.tagging.domain.names import DAY
from tests.integration.tagging.test_scores import KEEN
from tests.support.interactions import NOON
from tests.support.tagging_service import Tagged


async def scores(tagged: Tagged, user: str, **more: Any) -> list[tags.PersonScore]:
    request = pb.GetPersonTagsRequest(person=tagged.reference(user), **more)
    return list((await tagged.stub.GetPersonTags(request)).scores)


async def explained(tagged: Tagged, user: str) -> pb.ExplainTagResponse:
    request = pb.ExplainTagRequest(person=tagged.reference(user), tag="keen")
    answer: pb.ExplainTagResponse = await tagged.stub.ExplainTag(request)
    return answer


async def test_a_score_is_answered_with_its_level_and_how_much_it_rests_on(tagged: Tagged) -> None:
    await tagged.publish(KEEN)
    await tagged.did("u1", "bought", NOON - 10 * DAY)
    await tagged.did("u1", "bought")
    await tagged.did("u2", "seen")
    await tagged.settle()
    (one,) = await scores(tagged, "u1")  # 1.5 points: 1 - 2^-1.5
    assert (one.tag, one.level, one.pieces, one.definition_version) == ("keen", "some", 2, 1)
    assert one.value == pytest.approx(0.6464, abs=1e-4)
    (nothing,) = await scores(tagged, "u2")
    assert (nothing.HasField("value"), nothing.level, nothing.pieces) == (False, "", 0)
    assert await scores(tagged, "stranger") == []


async def test_a_score_fades_by_time_alone_and_is_what_it_was_as_of_then(tagged: Tagged) -> None:
    await tagged.publish(KEEN)
    await tagged.did("u1", "bought", NOON - 10 * DAY)
    await tagged.did("u1", "bought")
    tagged.clock.set(NOON + 10 * DAY)
    await tagged.settle()
    for moment, points in ((None, 0.75), (NOON, 1.5), (NOON - DAY, 2 ** (-9 / 10)), (NOON - 10 * DAY, 1.0)):
        (one,) = await scores(tagged, "u1", **({} if moment is None else {"as_of": timestamp(moment)}))
        assert one.value == pytest.approx(1 - 2**-points, abs=1e-4)
    assert await scores(tagged, "u1", as_of=timestamp(NOON - 11 * DAY)) == []
    assert await scores(tagged, "u1", known_at=timestamp(NOON)) == []
    (forgotten,) = await scores(tagged, "u1", as_of=timestamp(LATEST_SECONDS * SECOND))
    assert not forgotten.HasField("value")


async def test_an_explanation_tells_what_each_kind_of_evidence_brings_in_event_ids(tagged: Tagged) -> None:
    await tagged.publish(KEEN)
    bought = [await tagged.did("u1", "bought", NOON - 10 * DAY), await tagged.did("u1", "bought")]
    ignored = await tagged.did("u1", "message_ignored", tags=["keen", "other"])
    await tagged.did("u1", "message_ignored", tags=["other"])
    await tagged.settle()
    told = await explained(tagged, "u1")
    assert [(one.about, one.pieces, list(one.event_ids)) for one in told.contributions] == [
        ("evidence[0]", 2, bought),
        ("feedback.ignored", 1, [ignored]),
    ]
    assert [one.points for one in told.contributions] == pytest.approx([1.5, -0.5])
    assert ["bought" in told.contributions[0].asks, "message_ignored" in told.contributions[1].asks] == [True, True]
    assert (told.score.value, told.score.level, told.score.pieces) == (0.5, "some", 3)
    assert told.score == (await scores(tagged, "u1"))[0]


async def test_what_a_merged_identifier_did_brings_its_part(tagged: Tagged) -> None:
    await tagged.publish(KEEN)
    both = {await tagged.did("u1", "bought"), await tagged.did("u2", "bought")}
    await tagged.merge("u2", into="u1")
    await tagged.settle()
    assert set((await explained(tagged, "u2")).contributions[0].event_ids) == both
    assert [(one.value, one.level) for one in await scores(tagged, "u2")] == [(0.75, "strong")]


async def test_a_tag_without_a_score_says_nothing_of_one(tagged: Tagged) -> None:
    await tagged.publish(KEEN[: KEEN.index("score:")])
    await tagged.did("u1", "bought")
    await tagged.settle()
    told = await explained(tagged, "u1")
    assert (told.HasField("score"), list(told.contributions), await scores(tagged, "u1")) == (False, [], [])
