from io import StringIO

from portrait.profile.v1 import collector_service_pb2 as pb
from rich.console import Console

from libs.cli.rows import Row
from libs.cli.tally import Tally

RECORDED = pb.CollectResult(outcome=pb.OUTCOME_RECORDED)
DUPLICATE = pb.CollectResult(outcome=pb.OUTCOME_DUPLICATE, content_differs=True)


def quarantined(field: str) -> pb.CollectResult:
    rejection = pb.Rejection(reason="WRONG_TYPE", field=field, message="expected [str]")
    return pb.CollectResult(outcome=pb.OUTCOME_QUARANTINED, rejection=rejection)


def tally() -> Tally:
    counted = Tally(too_large=[9], skipped=4)
    results = [RECORDED, RECORDED, DUPLICATE, quarantined("a"), quarantined("b")]
    counted.add([Row(number, b"{}", 0) for number in range(1, 6)], results)
    return counted


def test_every_outcome_is_counted_for_programs() -> None:
    assert tally().as_data() == {
        "recorded": 2,
        "duplicates": 1,
        "duplicates_that_differ": 1,
        "quarantined": {"WRONG_TYPE": 2},
        "too_large": [9],
        "skipped": 4,
        "seconds": 0.0,
        "rows_per_second": None,
    }


def test_people_are_shown_an_example_of_each_reason_and_what_to_do_next() -> None:
    console = Console(file=StringIO(), width=100)
    console.print(tally().as_table("events.ndjson → demo", "events-1234"))
    assert isinstance(console.file, StringIO)
    text = console.file.getvalue()
    for said in ("row 4: a: expected [str]", "the first one stands", "row 9", "retract --import-id events-1234"):
        assert said in text
