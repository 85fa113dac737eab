"""What crowds look like on a terminal."""

from pathlib import Path

import pytest
from portrait.tagging.v1 import membership_pb2 as pb

from libs.cli import crowds
from libs.cli.errors import BadInput
from libs.cli.said import crowd_said
from tests.unit.cli.test_labels import shown

TIERS = "{tier: [gold, platinum]}"


def test_a_condition_is_shown_as_it_was_typed() -> None:
    size = pb.CrowdSize(people=3, population=60, exactness=pb.EXACTNESS_EXACT)
    assert TIERS in shown(crowds.sizes([TIERS], [size]))
    assert "as of" not in shown(crowds.sizes([TIERS], [size]))
    size.as_of.FromSeconds(1_772_000_000)
    assert "exact, as of 2026-02-25 06:13:20" in shown(crowds.sizes([TIERS], [size]))
    shared = pb.CompareSegmentsResponse(sizes=[size, size], overlaps=[pb.CrowdOverlap(first=0, second=1, both=2)])
    assert TIERS in shown(crowds.overlaps(["buyers", TIERS], shared))


def test_a_crowd_is_a_key_a_condition_or_a_file_of_a_condition_or_a_segment(tmp_path: Path) -> None:
    assert crowd_said("everyone") == pb.CrowdReference(segment="everyone")
    assert crowd_said(TIERS) == pb.CrowdReference(document=TIERS)
    file = tmp_path / "who.yaml"
    for text, meant in (
        ("tier: gold\n", "tier: gold\n"),
        ("segment: staff\n", "segment: staff\n"),
        ("tag: [", "tag: ["),
        ("segment: best\ntitle: {en: Best}\nwhen: {tier: gold}\n", "tier: gold\n"),
    ):
        file.write_text(text, encoding="utf-8")
        assert crowd_said(str(file)) == pb.CrowdReference(document=meant)


def test_a_file_of_a_list_says_nothing_of_who_is_in_it(tmp_path: Path) -> None:
    file = tmp_path / "list.yaml"
    file.write_text("segment: guests\ntitle: {en: Guests}\nlist: true\n", encoding="utf-8")
    with pytest.raises(BadInput, match="name it by its key"):
        crowd_said(str(file))
    file.write_bytes(b"\xff")
    with pytest.raises(BadInput, match="can't be read"):
        crowd_said(str(file))
