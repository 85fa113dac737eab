"""What crowds look like on a terminal."""

from portrait.tagging.v1 import membership_pb2 as pb

from libs.cli import crowds
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
