import json
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.cli.conftest import Portrait, ndjson, ordered

Started = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def anna(portrait: Portrait, tmp_path: Path, member: str) -> str:
    """Somebody with three orders, as `type:value`."""
    orders = [
        ordered(member, 100, "2026-01-10T10:00:00+08:00", traits={"city": "上海"}),
        ordered(member, 200, "2026-02-10T10:00:00+08:00", traits={"city": "北京"}),
        ordered(member, 300, "2026-02-28T23:30:00-05:00", event="product_viewed"),
    ]
    portrait("collect", ndjson(tmp_path / "anna.ndjson", *orders))
    return f"member_no:{member}"


def test_a_portrait_shows_what_is_known(portrait: Portrait, anna: str) -> None:
    text = portrait("profile", "show", anna).out
    for each in ("3 interactions", "北京", "300.00", "order_completed", anna.partition(":")[2], "+08:00"):
        assert each in text
    said = portrait("profile", "show", anna, "-o", "json").document
    assert said["spending"]["CNY"]["total"] == {"currency": "CNY", "minor": 30_000}
    assert portrait("profile", "show", said["person_id"], "-o", "json").document == said


def test_only_the_sections_asked_for_are_shown(portrait: Portrait, anna: str) -> None:
    said = portrait("profile", "show", anna, "--only", "traits", "-o", "json").document
    assert said["traits"]["city"]["value"] == "北京"
    assert said["spending"] == {}


def test_a_portrait_as_of_a_day_is_that_of_its_first_moment_in_the_tenants_zone(portrait: Portrait, anna: str) -> None:
    said = portrait("profile", "as-of", anna, "2026-02-10", "-o", "json").document
    assert (said["interactions"], said["traits"]["city"]["value"]) == (1, "上海")
    assert portrait("profile", "as-of", anna, "2026-02-10T10:00", "-o", "json").document["interactions"] == 2
    assert "as of 2026-02-10" in portrait("profile", "as-of", anna, "2026-02-10").out


def test_what_was_known_before_it_was_sent_is_nothing(portrait: Portrait, anna: str) -> None:
    assert "NOT_FOUND" in portrait("profile", "show", anna, "--known-at", "2026-01-01", status=1).err


def test_a_timeline_is_newest_first_and_can_be_cut_and_filtered(portrait: Portrait, anna: str) -> None:
    entries = portrait("profile", "timeline", anna, "-o", "json").lines
    assert [entry["occurred_at"][:10] for entry in entries] == ["2026-03-01", "2026-02-10", "2026-01-10"]
    assert portrait("profile", "timeline", anna, "--limit", "1", "-o", "json").lines == entries[:1]
    viewed = portrait("profile", "timeline", anna, "--event", "product_viewed", "-o", "json").lines
    assert viewed == entries[:1]
    text = portrait("profile", "timeline", anna, "--limit", "2").out
    assert "2026-03-01 12:30:00 +08:00" in text
    assert "there is more" in text


def test_a_read_waits_for_a_position(portrait: Portrait, anna: str) -> None:
    (newest,) = portrait("profile", "timeline", anna, "--limit", "1", "-o", "json").lines
    place = f"{newest['position']['partition']}:{newest['position']['position']}"
    assert portrait("profile", "show", anna, "--at-least", place, "-o", "json").document["interactions"] == 3


def test_a_watched_portrait_is_sent_again_when_it_changes(
    portrait: Portrait, started: Started, anna: str, tmp_path: Path
) -> None:
    watching = started("profile", "watch", anna, "--only", "traits", "-o", "json")
    assert watching.stdout is not None
    assert json.loads(watching.stdout.readline())["interactions"] == 3
    portrait("collect", ndjson(tmp_path / "more.ndjson", ordered(anna.partition(":")[2], 1)))
    assert json.loads(watching.stdout.readline())["interactions"] == 4
    watching.send_signal(signal.SIGINT)
    _, err = watching.communicate(timeout=60)
    assert watching.returncode == 130
    assert err.strip() == b""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("profile", "show", "member_no:never-seen-77"), "NOT_FOUND"),
        (("profile", "show", "phone:12"), "MALFORMED"),
        (("profile", "show", "shoe_size:44"), "UNKNOWN_TYPE"),
        (("profile", "show", "member_no:a7", "--only", "trait"), "did you mean 'traits'?"),
        (("profile", "show", "member_no:a7", "--tenant", "nobody"), "'nobody', which does not exist"),
        (("log", "read", "99"), "the log has 8 partitions"),
        (("quarantine", "show", "ffff"), "nothing waits in quarantine under 'ffff'"),
        (("schema", "show", "never_published"), "NOT_FOUND"),
        (("up", "--ports", "free"), "is in use by process"),
    ],
)
def test_what_the_service_refuses_is_one_line(portrait: Portrait, arguments: tuple[str, ...], said: str) -> None:
    refused = portrait(*arguments, status=1)
    assert said in refused.err
    assert refused.err.startswith("portrait: ")
    assert refused.err.count("\n") == 1
    assert refused.out == ""


def test_status_says_what_runs_and_how_far_it_is(
    portrait: Portrait, anna: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("libs.cli.standing.ANSWER_WITHIN", 60.0)
    said = portrait("status", "-o", "json").document
    assert said["well"]
    assert [part["name"] for part in said["parts"]] == ["postgres", "nats", "profile", "identity", "tagging"]
    profile, identity, tagging = said["services"]
    assert sum(profile["heads"].values()) >= 3
    assert all(service["relay_lag_events"] is not None for service in (profile, identity, tagging))
    assert [one["name"] for one in profile["projections"]] == ["portraits", "identity_map"]
    assert [one["name"] for one in identity["projections"]] == ["identities"]
    assert [one["name"] for one in tagging["projections"]] == ["features", "identity_map"]
    text = portrait("status").out
    for word in ("Processes", "Logs", "Projections", "interactions", "● serving"):
        assert word in text


def test_projections_and_dead_letters_are_listed(portrait: Portrait) -> None:
    listed = portrait("projection", "list", "-o", "json").lines
    assert [(one["name"], one["kind"], one["dead_letters"]) for one in listed] == [
        ("portraits", "lazy", 0),
        ("identity_map", "consumer", 0),
    ]
    assert portrait("dead-letter", "list", "-o", "json").lines == []


def test_the_log_is_found_whole(portrait: Portrait, anna: str) -> None:
    verdicts = portrait("log", "verify", "-o", "json").lines
    assert len(verdicts) == 8
    assert sum(one["events"] for one in verdicts) >= 3
    assert all(one["problems"] == 0 for one in verdicts)
    assert "no gap" in portrait("log", "verify").out


def test_the_newest_events_of_the_log_are_the_tenants_own(portrait: Portrait, anna: str, tmp_path: Path) -> None:
    portrait("collect", ndjson(tmp_path / "o.ndjson", ordered("somebody-else-3")), "--tenant", "other")
    newest = portrait("log", "tail", "-n", "3", "-o", "json").lines
    assert [one["payload"]["identifiers"]["member_no"] for one in newest] == [anna.partition(":")[2]] * 3
    assert {one["tenant"] for one in newest} == {"demo"}


def test_a_run_of_the_log_and_all_of_one_key_can_be_read(portrait: Portrait, anna: str) -> None:
    person = portrait("profile", "show", anna, "-o", "json").document["person_id"]
    events = portrait("log", "read", "--key", person, "-o", "json").lines
    assert [one["payload"]["properties"]["total"] for one in events] == [100, 200, 300]
    first = events[0]
    place = (str(first["partition"]), "--from", str(first["position"]), "--limit", "1")
    assert portrait("log", "read", *place, "-o", "json").lines == events[:1]
    assert "order_completed" in portrait("log", "read", *place).out


def test_a_followed_log_goes_on(portrait: Portrait, started: Started, anna: str, tmp_path: Path) -> None:
    following = started("log", "tail", "--follow", "-n", "1", "-o", "json")
    assert following.stdout is not None
    following.stdout.readline()
    time.sleep(0.1)
    portrait("collect", ndjson(tmp_path / "new.ndjson", ordered(anna.partition(":")[2], 4)))
    assert json.loads(following.stdout.readline())["payload"]["properties"]["total"] == 4
    following.send_signal(signal.SIGINT)
    following.communicate(timeout=60)
    assert following.returncode == 130
