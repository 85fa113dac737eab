"""Definitions that are published together: their order, and what of a plan waits for the others."""

from portrait.tagging.v1 import segment_pb2, tags_service_pb2, tiers_pb2
from portrait.tagging.v1 import segments_service_pb2 as segments
from portrait.tagging.v1 import tag_pb2 as tags

from libs.cli.batches import Pending, in_order, written
from libs.cli.labels import plan
from tests.unit.cli.test_labels import shown

TAG = written("tag.yaml", "tag: vip\nscore: {evidence: []}\nwhen: {did: {event: x}}\n")
TIERS = written("tiers.yaml", "tiers: value\nladder: [{tier: gold, when: {score: {vip: {at_least: 0.6}}}}]\n")
SEGMENT = written("a.yaml", "segment: best\nwhen: {all: [{tier: gold}, {not: {tag: {vip: true}}}, {tag: other}]}\n")


def planning(**more: object) -> tags_service_pb2.TagPlan:
    return tags_service_pb2.TagPlan(changes=["is new"], population=9, looked_at=9, holding=3, **more)  # type: ignore[arg-type]  # fields by name


def unknown(warning: int, kind: str, name: str) -> tags_service_pb2.UnknownName:
    return tags_service_pb2.UnknownName(warning=warning, kind=kind, name=name)


def test_each_definition_comes_behind_those_that_it_reads() -> None:
    assert in_order([SEGMENT, TIERS, TAG]) == [TAG, TIERS, SEGMENT]
    assert (set(TIERS.defines), set(TIERS.reads)) == ({"tier"}, {"score:vip"})


def test_definitions_that_read_one_another_in_a_circle_stay_as_they_stand() -> None:
    circle = [written("a", "tag: a\nwhen: {tag: b}\n"), written("b", "tag: b\nwhen: {tag: a}\n")]
    assert in_order(circle) == circle


def test_what_an_example_says_is_held_is_not_read() -> None:
    assert not written("a", "tag: a\nwhen: {did: {event: x}}\ntests: [{stage: lost, expect: true}]\n").reads


def test_a_document_that_can_not_be_read_is_left_to_the_service() -> None:
    assert written("a", "tag: [").defines == frozenset()
    assert written("a", "- tag").reads == frozenset()


def test_a_plan_that_hangs_on_others_of_the_batch_says_so_in_place_of_numbers() -> None:
    pending = Pending()
    first = tags_service_pb2.PublishTagResponse(definition=tags.TagDefinition(key="vip", version=2), plan=planning())
    tiers = tags_service_pb2.PublishTiersResponse(
        definition=tiers_pb2.TiersDefinition(key="value", version=1, tiers=[tiers_pb2.Tier(key="gold")]),
        plan=planning(warnings=["nobody has the score vip"], unknown=[unknown(0, "score", "vip")]),
    )
    doubts = ["no tag 'vip' is known", "nobody is in the tier gold", "nobody has the tag gold"]
    names = [unknown(1, "tier", "gold"), unknown(2, "tag", "gold")]
    last = segments.PublishSegmentResponse(
        definition=segment_pb2.SegmentDefinition(key="best", version=1), plan=planning(warnings=doubts, unknown=names)
    )
    pending.settle(TAG, first)
    pending.settle(TIERS, tiers)
    pending.settle(SEGMENT, last)
    assert first.plan == planning()
    assert list(tiers.plan.warnings) == [
        "reads vip, which changes in this batch: who gets it is seen once that is live"
    ]
    assert list(last.plan.warnings) == [
        "reads the ladder of tiers, which is new in this batch: who gets it is seen once that is live",
        "reads vip, which changes in this batch: who gets it is seen once that is live",
        doubts[0],
        doubts[2],
    ]
    assert not last.plan.unknown
    assert "looked at" not in shown(plan("a.yaml", last.definition, last.plan))


def test_a_plan_that_hangs_on_what_the_batch_leaves_as_it_is_stands() -> None:
    pending = Pending()
    same = tags_service_pb2.PublishTagResponse(definition=tags.TagDefinition(key="vip", version=2))
    tiers = tags_service_pb2.PublishTiersResponse(plan=planning())
    pending.settle(TAG, same)
    pending.settle(TIERS, tiers)
    assert tiers.plan == planning()
