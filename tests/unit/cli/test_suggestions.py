"""What suggestions look like on a terminal, and what running the batch needs."""

from pathlib import Path

import pytest
from portrait.identity.v1 import identities_service_pb2 as pb
from portrait.identity.v1 import person_pb2

from libs.cli.__main__ import main
from libs.cli.suggestions import DATABASE, MOST_ARGUMENTS, MOST_IDENTIFIERS, shown
from tests.unit.cli.test_who import ONE, known
from tests.unit.cli.test_who import shown as printed


def test_a_suggestion_shows_both_people_the_strongest_reasons_and_every_warning() -> None:
    many = [known("phone", f"+861380013800{n}") for n in range(MOST_IDENTIFIERS + 2)]
    suggestion = pb.Suggestion(
        suggestion_id=ONE,
        one=person_pb2.Person(person_id=ONE, identifiers=many),
        other=person_pb2.Person(person_id=ONE, identifiers=[known("member_no", "m[1]")]),
        score=0.9871,
        arguments=[pb.Argument(subject=f"subject{n}", finding="same: " + "x" * 99, weight=12.5 - n) for n in range(9)],
        warnings=["both live at 1 Main Street", "first names differ"],
    )
    text = printed(shown([suggestion]))
    for said in (
        "0.987",
        ONE[:12],
        "and 2 more",
        "m[1]",
        "+12.5",
        "1 Main Street",
        "first names differ",
        f"subject{MOST_ARGUMENTS - 1}",
    ):
        assert said in text
    assert f"subject{MOST_ARGUMENTS}" not in text


def test_the_batch_says_what_it_lacks_where_nothing_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv(DATABASE, raising=False)
    assert main(["identity", "suggest", "--data", str(tmp_path)]) == 1
    assert capsys.readouterr().err.startswith(f"portrait: nothing runs on {tmp_path}, and {DATABASE} does not say")
