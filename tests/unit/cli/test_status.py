"""What `portrait status` says of projections."""

from io import StringIO

from portrait.ops.v1 import projections_service_pb2 as pb
from rich.console import Console

from libs.cli.status import projections_table

CONSUMER = pb.PROJECTION_KIND_CONSUMER


def shown(*projections: pb.Projection) -> list[list[str]]:
    """The rows of the table, by the words of their columns."""
    console = Console(file=StringIO(), width=200)
    console.print(projections_table([("tagging", one) for one in projections]))
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]  # which it was made with
    return [[cell for cell in line.strip().split("  ") if cell] for line in lines if "consumer" in line]


def test_a_layer_that_is_filling_is_a_line_with_what_it_lacks_and_of_no_age() -> None:
    layer = pb.Projection(name="features:7", version=1, kind=CONSUMER, log="interactions", lag_events=1_204_000)
    (line,) = shown(layer)
    told = [cell.strip() for cell in line]
    assert told == ["tagging", "features:7 v1", "consumer", "interactions", "1,204,000 events", "–", "0"]


def test_what_waits_says_for_how_long() -> None:
    (line,) = shown(pb.Projection(name="features", version=1, kind=CONSUMER, log="log", lag_events=1, lag_seconds=3.2))
    assert "3.2 s" in [cell.strip() for cell in line]
