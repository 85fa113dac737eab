"""Tags of people over gRPC: held, explained, set, imported, watched."""

import asyncio
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from portrait.log.v1 import event_pb2 as log_pb
from portrait.tagging.v1 import events_pb2 as events
from portrait.tagging.v1 import tag_pb2 as tags
from portrait.tagging.v1 import tags_service_pb2 as pb

from libs.rpc.times import EARLIEST_SECONDS, LATEST_SECONDS, timestamp
from services.tagging.domain.names import DAY
from tests.support.elsewhere import PARTITIONS
from tests.support.interactions import NOON
from tests.support.profile import refused
from tests.support.tagging_service import Tagged
from tests.unit.tagging.test_definition import VIEWED, document

YES, NO = tags.TagValue(flag=True), tags.TagValue(flag=False)


def setting(tagged: Tagged, user: str, value: tags.TagValue = YES, **more: Any) -> pb.SetTagRequest:
    return pb.SetTagRequest(person=tagged.reference(user), tag="looks_around", value=value, **more)


def clearing(tagged: Tagged, user: str, **more: Any) -> pb.ClearTagRequest:
    return pb.ClearTagRequest(person=tagged.reference(user), tag="looks_around", **more)


async def explained(tagged: Tagged, user: str) -> pb.ExplainTagResponse:
    request = pb.ExplainTagRequest(person=tagged.reference(user), tag="looks_around")
    answer: pb.ExplainTagResponse = await tagged.stub.ExplainTag(request)
    return answer


async def test_what_somebody_had_is_found_as_of_then(tagged: Tagged) -> None:
    await tagged.publish(document())
    await tagged.did("u1", "product_viewed")
    tagged.clock.set(NOON + DAY)
    await tagged.settle()
    tagged.clock.set(NOON + 9 * DAY)
    await tagged.settle()
    assert await tagged.tags("u1") == {}
    assert await tagged.tags("u1", as_of=timestamp(NOON + 2 * DAY)) == {"looks_around": True}
    assert await tagged.tags("u1", as_of=timestamp(NOON - DAY)) == {}
    assert await tagged.tags("u1", known_at=timestamp(NOON)) == {}


async def test_an_explanation_names_the_events_and_when_time_alone_changes_it(tagged: Tagged) -> None:
    twice = document(when={"did": {"event": "product_viewed", "times": 2, "within": "7d"}})
    await tagged.publish(twice)
    first = await tagged.did("u1", "product_viewed", NOON - DAY)
    second = await tagged.did("u1", "product_viewed")
    await tagged.settle()
    told = await explained(tagged, "u1")
    assert told.held.tag == "looks_around"
    assert told.summary == "has looks_around, because when holds"
    (reason,) = told.reasons
    (leaf,) = reason.leaves
    assert (reason.holds, reason.decides, leaf.value) == (True, True, "2")
    assert set(leaf.event_ids) == {first, second}
    assert reason.changes_at.seconds > NOON // 1_000_000
    assert "product_viewed" in leaf.asks
    assert leaf.flips == "would not hold with any less"


async def test_an_explanation_says_what_is_missing(tagged: Tagged) -> None:
    twice = document(when={"did": {"event": "product_viewed", "times": 2, "within": "7d"}})
    await tagged.publish(twice)
    await tagged.did("u1", "product_viewed")
    told = await explained(tagged, "u1")
    assert not told.HasField("held")
    assert told.reasons[0].leaves[0].flips == "would hold with 1 more"
    assert told.summary == "does not have looks_around: no condition of it holds"


async def test_what_must_not_hold_is_explained_with_its_negation(tagged: Tagged) -> None:
    bought = {"did": {"event": "order_completed", "times": 3}}
    none_of = {"not": {"any": [bought, {"trait": "staff"}]}}
    never = {"did_not": {"event": "complained"}}
    await tagged.publish(document(when={"all": [VIEWED, none_of, never]}))
    for event in ("product_viewed", "order_completed"):
        await tagged.did("u1", event)
    viewed, *negated = (await explained(tagged, "u1")).reasons[0].leaves
    assert (viewed.holds, viewed.asks.startswith("{did: ")) == (True, True)
    assert [leaf.holds for leaf in negated] == [True, True, True]
    assert [leaf.asks.partition(":")[0] for leaf in negated] == ["{did_not", "{not", "{did_not"]
    assert [leaf.flips for leaf in negated] == ["would not hold with 2 more", "", "would not hold with 1 more"]
    await tagged.did("u1", "complained")
    last = (await explained(tagged, "u1")).reasons[0].leaves[-1]
    assert (last.holds, last.flips.startswith("would hold with")) == (False, True)


async def test_a_tag_that_nobody_published_is_not_found_and_the_nearest_one_is_told(tagged: Tagged) -> None:
    await tagged.publish(document())
    person = tagged.reference("u1")
    for call in (
        tagged.stub.ExplainTag(pb.ExplainTagRequest(person=person, tag="looks_arond")),
        tagged.stub.GetTag(pb.GetTagRequest(tag="looks_arond")),
    ):
        told = await refused(call)
        assert (told.code, told.message.endswith("did you mean 'looks_around'?")) == ("NOT_FOUND", True)
    for call in (
        tagged.stub.SetTag(pb.SetTagRequest(person=person, tag="looks_arond", value=YES)),
        tagged.stub.ClearTag(pb.ClearTagRequest(person=person, tag="looks_arond")),
    ):
        assert (await refused(call)).code == "NOT_FOUND"


async def test_what_happened_through_a_merged_identifier_explains_too(tagged: Tagged) -> None:
    await tagged.publish(document())
    seen = await tagged.did("u2", "product_viewed")
    await tagged.merge("u2", into="u1")
    await tagged.settle()
    told = await explained(tagged, "u1")
    assert (told.person_id, list(told.reasons[0].leaves[0].event_ids)) == (tagged.key("u1").hex(), [seen])
    assert (await explained(tagged, "u2")).person_id == told.person_id


async def test_a_tag_that_is_not_live_can_not_be_explained(tagged: Tagged) -> None:
    assert (await refused(explained(tagged, "u1"))).code == "NOT_FOUND"


async def test_what_is_set_by_hand_stands_until_it_is_cleared(tagged: Tagged) -> None:
    await tagged.publish(document())
    answer = await tagged.stub.SetTag(setting(tagged, "u1", reason="a friend", request_id="r1"))
    assert await tagged.stub.SetTag(setting(tagged, "u1", reason="a friend", request_id="r1")) == answer
    await tagged.settle()
    assert await tagged.tags("u1") == {"looks_around": True}
    told = await explained(tagged, "u1")
    assert (told.by_hand.by, told.summary) == ("ann", "has looks_around, set by ann")
    cleared = await tagged.stub.ClearTag(clearing(tagged, "u1", request_id="c1"))
    assert await tagged.stub.ClearTag(clearing(tagged, "u1", request_id="c1")) == cleared
    await tagged.settle()
    assert await tagged.tags("u1") == {}
    assert not (await tagged.stub.ClearTag(clearing(tagged, "u1"))).event_id


async def test_what_several_clear_at_once_is_cleared_once(tagged: Tagged) -> None:
    await tagged.publish(document())
    for turn in range(5):
        await tagged.stub.SetTag(setting(tagged, "u1"))
        at_once = [tagged.stub.ClearTag(clearing(tagged, "u1", request_id=f"{turn}:{one % 7}")) for one in range(8)]
        assert len({one.event_id for one in await asyncio.gather(*at_once)} - {b""}) == 1


async def test_what_several_set_at_once_by_one_request_is_set_once(tagged: Tagged) -> None:
    await tagged.publish(document())
    for turn in range(5):
        user = f"u{turn}"
        at_once = [tagged.stub.SetTag(setting(tagged, user, request_id=user)) for _ in range(8)]
        assert len({one.position.position for one in await asyncio.gather(*at_once)}) == 1
        said = await tagged.pool.fetch(
            "SELECT set_at FROM set_by_hand WHERE tenant = $1 AND identifier = $2", tagged.tenant.id, tagged.key(user)
        )
        assert [row["set_at"] for row in said] == [tagged.clock.now()]


async def test_the_id_of_another_request_sets_and_clears_nothing(tagged: Tagged) -> None:
    await tagged.publish(document())
    await tagged.stub.SetTag(setting(tagged, "u1", request_id="r1"))
    for other in (
        setting(tagged, "u2", request_id="r1"),
        setting(tagged, "u1", NO, request_id="r1"),
        setting(tagged, "u1", of="shoes", request_id="r1"),
    ):
        assert (await refused(tagged.stub.SetTag(other))).code == "INVALID_ARGUMENT"
    await tagged.stub.SetTag(setting(tagged, "u2", request_id="r2"))
    await tagged.settle()
    assert [await tagged.tags(user) for user in ("u1", "u2")] == [{"looks_around": True}] * 2


async def test_a_row_that_says_something_else_under_the_same_import_is_told(tagged: Tagged) -> None:
    await tagged.publish(document(tag="level", value="enum", source="imported", when=None, options=["gold", "silver"]))
    first, mended = ([row(tagged, 1, "u1", level)] for level in ("gold", "silver"))
    await tagged.stub.ImportTags(pb.ImportTagsRequest(import_id="file-1", tag="level", rows=first))
    again = await tagged.stub.ImportTags(pb.ImportTagsRequest(import_id="file-1", tag="level", rows=mended))
    assert (again.set, again.duplicates, [one.row for one in again.refused]) == (0, 0, [1])
    other = await tagged.stub.ImportTags(pb.ImportTagsRequest(import_id="file-2", tag="level", rows=mended))
    assert other.set == 1
    await tagged.settle()
    assert await tagged.tags("u1") == {"level": "silver"}


async def test_what_somebody_denies_by_hand_no_rule_finds(tagged: Tagged) -> None:
    await tagged.publish(document())
    await tagged.did("u1", "product_viewed")
    await tagged.stub.SetTag(setting(tagged, "u1", NO))
    await tagged.settle()
    assert await tagged.tags("u1") == {}


async def test_what_is_set_by_hand_ends_by_its_time_to_live(tagged: Tagged) -> None:
    await tagged.publish(document(time_to_live="30d"))
    await tagged.stub.SetTag(setting(tagged, "u1"))
    await tagged.settle()
    tagged.clock.set(NOON + 30 * DAY - 1)
    await tagged.settle()
    assert await tagged.tags("u1") == {"looks_around": True}
    tagged.clock.set(NOON + 30 * DAY)
    await tagged.settle()
    assert await tagged.tags("u1") == {}


async def test_what_is_set_by_hand_follows_the_person_through_a_merge(tagged: Tagged) -> None:
    await tagged.publish(document())
    await tagged.stub.SetTag(setting(tagged, "u2"))
    await tagged.merge("u2", into="u1")
    await tagged.settle()
    assert await tagged.tags("u1") == {"looks_around": True}


@pytest.mark.parametrize(
    ("value", "more", "field"),
    [
        (tags.TagValue(text="x"), {}, "value"),
        (YES, {"expires_at": timestamp(NOON)}, "expires_at"),
    ],
)
async def test_what_can_not_be_meant_is_refused_with_its_field(
    tagged: Tagged, value: tags.TagValue, more: dict[str, Any], field: str
) -> None:
    await tagged.publish(document())
    told = await refused(tagged.stub.SetTag(setting(tagged, "u1", value, **more)))
    assert (told.code, list(told.violations)) == ("INVALID_ARGUMENT", [field])


async def test_a_tag_that_was_never_published_is_not_set(tagged: Tagged) -> None:
    assert (await refused(tagged.stub.SetTag(setting(tagged, "u1")))).code == "NOT_FOUND"


async def test_a_tag_is_set_without_reading_the_others(tagged: Tagged) -> None:
    await tagged.publish(document())
    await tagged.publish(document(tag="other"))
    of_a_newer_release = "UPDATE definitions SET document = '?' WHERE tenant = $1 AND name = 'other'"
    await tagged.pool.execute(of_a_newer_release, tagged.tenant.id)
    await tagged.stub.SetTag(setting(tagged, "u1"))
    await tagged.settle()
    assert await tagged.tags("u1") == {"looks_around": True}


def row(tagged: Tagged, number: int, user: str, value: str) -> pb.ImportedTag:
    return pb.ImportedTag(row=number, person=tagged.reference(user), value=tags.TagValue(text=value))


async def test_an_import_sets_what_it_can_and_says_what_it_can_not(tagged: Tagged) -> None:
    await tagged.publish(document(tag="level", value="enum", source="imported", when=None, options=["gold", "silver"]))
    rows = [row(tagged, 1, "u1", "gold"), row(tagged, 2, "u2", "tin"), row(tagged, 3, "u3", "silver")]
    rows.append(pb.ImportedTag(row=4, person=tagged.reference("u4"), value=tags.TagValue()))
    request = pb.ImportTagsRequest(import_id="file-1", tag="level", rows=rows)
    answer = await tagged.stub.ImportTags(request)
    assert (answer.set, answer.duplicates, [one.row for one in answer.refused]) == (2, 0, [2, 4])
    await tagged.settle()
    assert [await tagged.tags(user) for user in ("u1", "u2", "u3")] == [{"level": "gold"}, {}, {"level": "silver"}]
    again = await tagged.stub.ImportTags(request)
    assert (again.set, again.duplicates, [one.row for one in again.refused]) == (0, 2, [2, 4])


async def test_an_import_that_is_sent_several_times_at_once_is_counted_once(tagged: Tagged) -> None:
    await tagged.publish(document(tag="level", value="enum", source="imported", when=None, options=["gold"]))
    rows = [row(tagged, number, f"u{number}", "gold") for number in range(20)]
    request = pb.ImportTagsRequest(import_id="file-1", tag="level", rows=rows)
    answers = await asyncio.gather(*(tagged.stub.ImportTags(request) for _ in range(6)))
    assert sorted((one.set, one.duplicates) for one in answers) == [(0, 20)] * 5 + [(20, 0)]


async def test_of_an_import_the_last_row_of_a_person_stands(tagged: Tagged) -> None:
    await tagged.publish(document(tag="level", value="enum", source="imported", when=None, options=["gold", "silver"]))
    rows = [row(tagged, 1, "u1", "gold"), row(tagged, 2, "u1", "silver")]
    await tagged.stub.ImportTags(pb.ImportTagsRequest(import_id="file-1", tag="level", rows=rows))
    await tagged.settle()
    assert await tagged.tags("u1") == {"level": "silver"}


async def test_a_row_that_ends_at_what_is_no_time_is_refused_and_the_others_are_set(tagged: Tagged) -> None:
    await tagged.publish(document(tag="level", value="enum", source="imported", when=None, options=["gold", "silver"]))
    rows = [row(tagged, 1, "u1", "gold"), row(tagged, 2, "u2", "gold"), row(tagged, 3, "u3", "silver")]
    rows[1].expires_at.seconds = 2**62
    answer = await tagged.stub.ImportTags(pb.ImportTagsRequest(import_id="file-1", tag="level", rows=rows))
    assert (answer.set, [one.row for one in answer.refused]) == (2, [2])
    assert answer.refused[0].reason.startswith("rows[1].expires_at: ")


@pytest.mark.parametrize("seconds", [253_402_300_799, 2**62, -62_135_596_801, -(2**62)])
async def test_what_is_no_time_is_refused_with_the_field(tagged: Tagged, seconds: int) -> None:
    await tagged.publish(document())
    time = Timestamp(seconds=seconds)
    why = await refused(tagged.stub.SetTag(setting(tagged, "u1", expires_at=time)))
    assert (why.code, list(why.violations)) == ("INVALID_ARGUMENT", ["expires_at"])
    for call, field in ((tagged.tags("u1", as_of=time), "as_of"), (tagged.tags("u1", known_at=time), "known_at")):
        why = await refused(call)
        assert (why.code, list(why.violations)) == ("INVALID_ARGUMENT", [field])


@pytest.mark.parametrize("seconds", [EARLIEST_SECONDS, LATEST_SECONDS])
async def test_tags_are_read_as_of_the_ends_of_time(tagged: Tagged, seconds: int) -> None:
    await tagged.publish(document())
    await tagged.did("u1", "product_viewed")
    await tagged.settle()
    found = await tagged.tags("u1", as_of=Timestamp(seconds=seconds))
    assert found == ({"looks_around": True} if seconds == LATEST_SECONDS else {})


async def test_changes_are_watched_as_they_happen(tagged: Tagged) -> None:
    await tagged.publish(document())
    watching = tagged.stub.WatchTags(pb.WatchTagsRequest(tags=["looks_around"]))
    for _ in range(PARTITIONS):
        assert not (await watching.read()).WhichOneof("change")
    cause = await tagged.did("u1", "product_viewed")
    await tagged.settle()
    got = await watching.read()
    assert (got.assigned.tag, got.person_id, got.causation_id) == ("looks_around", tagged.key("u1").hex(), cause)
    assert (got.assigned.backfill, got.mode) == (False, log_pb.MODE_LIVE)
    tagged.clock.set(NOON + 9 * DAY)
    await tagged.settle()
    lost = await watching.read()
    assert lost.removed.reason == events.REMOVAL_REASON_CONDITION
    watching.cancel()


async def test_what_history_finds_is_told_as_such(tagged: Tagged) -> None:
    await tagged.did("u1", "product_viewed")
    watching = tagged.stub.WatchTags(pb.WatchTagsRequest())
    for _ in range(PARTITIONS):
        await watching.read()
    await tagged.publish(document(when={"any": [VIEWED, {"tag": "other"}]}))
    assert (await watching.read()).assigned.backfill
    watching.cancel()
