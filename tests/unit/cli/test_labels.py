"""What tags look like on a terminal, and how their values are typed."""

from io import StringIO
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from portrait.tagging.v1 import events_pb2 as events
from portrait.tagging.v1 import tag_pb2 as tags
from portrait.tagging.v1 import tags_service_pb2 as pb
from rich.console import Console, RenderableType

from libs.cli import labels
from libs.cli.definitions import documents_in
from libs.cli.errors import BadInput
from libs.cli.tag import value_said

SHANGHAI = ZoneInfo("Asia/Shanghai")
THEN = Timestamp(seconds=1_772_330_400)
ONE = "5f1c" * 8


def shown(look: RenderableType) -> str:
    console = Console(file=StringIO(), width=100, highlight=False)
    console.print(look)
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def vip(**more: object) -> tags.TagDefinition:
    return tags.TagDefinition(key="vip", version=2, titles={"zh": "贵宾", "en": "VIP"}, category="value", **more)  # type: ignore[arg-type]  # fields by name


def test_definitions_show_titles_and_where_they_are_on_their_way() -> None:
    text = shown(labels.definitions([vip(state=tags.DEFINITION_STATE_FILLING, published_at=THEN)], SHANGHAI))
    for said in ("vip", "贵宾 · VIP", "value", "filling", "2026-03-01"):
        assert said in text


def test_a_plan_says_how_many_were_looked_at_of_how_many() -> None:
    change = pb.TagChange(person_id=ONE, after=tags.TagValue(text="gold"))
    plan = pb.TagPlan(
        population=10_000, looked_at=500, gained=3, lost=2, changed=1, sample=[change], changes=["other conditions"]
    )
    text = shown(labels.plan("vip.yaml", vip(), plan))
    for said in ("500 of 10,000 people", "3 would get it", "2 would lose it", "other conditions", "gold", ONE):
        assert said in text
    assert "nothing" in shown(labels.plan("vip.yaml", vip(), pb.TagPlan()))


def test_a_person_shows_each_tag_with_its_value_and_end() -> None:
    one = tags.HeldTag(tag="vip", value=tags.TagValue(flag=True), since=THEN, expires_at=THEN, origin=tags.ORIGIN_RULE)
    sure = tags.HeldTag(
        tag="age", value=tags.TagValue(number=1234.5), since=THEN, origin=tags.ORIGIN_INFERRED, confidence=0.8
    )
    text = shown(labels.held(pb.GetPersonTagsResponse(person_id=ONE, tags=[one, sure]), SHANGHAI))
    for said in (ONE, "vip", "may change at", "yes", "rule", "1,234.5", "inferred 80%", "–"):
        assert said in text


def test_an_explanation_shows_every_part_with_what_was_measured() -> None:
    leaf = pb.ExplainedLeaf(asks="{did: {event: x}}", holds=True, value="3", event_ids=[b"\1" * 16])
    leaf.flips = "would not hold with 2 less"
    reason = pb.ReasonForTag(about="when", holds=True, decides=True, leaves=[leaf], changes_at=THEN)
    told = pb.ExplainTagResponse(person_id=ONE, summary="has vip, because when holds", reasons=[reason])
    told.by_hand.by = "ann"
    text = " ".join(shown(labels.explained(told, SHANGHAI)).split())
    for said in (
        "has vip, because when",
        "set by ann",
        "✓ when (decides) may change at 2026-03-01",
        "010101",
        "2 less",
    ):
        assert said in text


def test_a_change_is_one_line() -> None:
    got = pb.WatchTagsResponse(person_id=ONE, occurred_at=THEN)
    got.assigned.CopyFrom(events.TagAssigned(tag="vip", value=tags.TagValue(text="gold"), of="p9", backfill=True))
    assert "vip = gold of p9" in labels.change(got, SHANGHAI)
    lost = pb.WatchTagsResponse(person_id=ONE, occurred_at=THEN)
    lost.removed.CopyFrom(events.TagRemoved(tag="vip", reason=events.REMOVAL_REASON_RETIRED))
    assert "retired" in labels.change(lost, SHANGHAI)


def test_a_value_is_typed_as_the_tag_has_it() -> None:
    assert value_said("false", vip(value_type=tags.VALUE_TYPE_FLAG)) == tags.TagValue(flag=False)
    assert value_said("12.5", vip(value_type=tags.VALUE_TYPE_NUMBER)) == tags.TagValue(number=12.5)
    assert value_said("gold", vip(value_type=tags.VALUE_TYPE_ENUM)) == tags.TagValue(text="gold")
    for type_, said in ((tags.VALUE_TYPE_FLAG, "yes"), (tags.VALUE_TYPE_NUMBER, "many")):
        with pytest.raises(BadInput, match=said):
            value_said(said, vip(value_type=type_))


def test_a_file_may_hold_several_documents_and_a_folder_several_files(tmp_path: Path) -> None:
    (tmp_path / "two.yaml").write_text("# both\n---\ntag: a\n---\ntag: b\n")
    (tmp_path / "one.yml").write_text("tag: c\n")
    found = list(documents_in([tmp_path]))
    assert [document for _, document in found] == ["tag: c\n", "tag: a\n", "tag: b\n"]
    assert found[1][0].endswith("two.yaml (1)")


def test_a_folder_without_definitions_is_no_input(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no YAML"):
        list(documents_in([tmp_path]))


def test_a_file_that_defines_nothing_is_no_input(tmp_path: Path) -> None:
    (tmp_path / "empty.yaml").write_text("# later\n---\n")
    with pytest.raises(BadInput, match=r"empty\.yaml: defines nothing"):
        list(documents_in([tmp_path]))
