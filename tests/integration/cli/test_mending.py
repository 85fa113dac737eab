import json
from pathlib import Path

import pytest

from tests.integration.cli.conftest import Portrait, ndjson, ordered


@pytest.fixture
def quarantined(portrait: Portrait, tmp_path: Path, member: str) -> str:
    """The id of an order whose time is none."""
    broken = ordered(member, 12, "yesterday", message_id=f"{member}-1")
    portrait("collect", ndjson(tmp_path / "broken.ndjson", broken), "--import-id", member, status=1)
    waiting = portrait("quarantine", "list", "--limit", "1000", "-o", "json").lines
    (id_,) = (one["quarantine_id"] for one in waiting if one["import_id"] == member)
    return str(id_)


def test_what_is_in_quarantine_is_listed_and_shown(portrait: Portrait, quarantined: str) -> None:
    listed = portrait("quarantine", "list", "--reason", "INVALID_TIME").out
    assert quarantined[:12] in listed
    said = portrait("quarantine", "show", quarantined[:10], "-o", "json").document
    assert said["document"]["occurred_at"] == "yesterday"
    assert said["rejection"]["field"] == "occurred_at"
    assert '"yesterday"' in portrait("quarantine", "show", quarantined).out


def test_a_mended_interaction_is_recorded(portrait: Portrait, quarantined: str, member: str) -> None:
    still = portrait("quarantine", "reprocess", quarantined, "-o", "json", status=1).document
    assert still["rejection"]["reason"] == "INVALID_TIME"

    mend = ("--set", "occurred_at=2026-03-01", "--set", "properties.total=15", "--set", "context.till.number=3")
    said = portrait("quarantine", "reprocess", quarantined[:12], *mend, "-o", "json").document

    assert said["outcome"] == "recorded"
    (entry,) = portrait("profile", "timeline", f"member_no:{member}", "-o", "json").lines
    assert entry["properties"]["total"] == 15
    assert entry["message_id"] == f"{member}-1"
    assert "nothing waits" in portrait("quarantine", "show", quarantined, status=1).err


def test_a_whole_document_can_be_given_instead(
    portrait: Portrait, quarantined: str, tmp_path: Path, member: str
) -> None:
    mended = tmp_path / "mended.json"
    mended.write_text(json.dumps(ordered(member, 99, message_id=f"{member}-1")))
    text = portrait("quarantine", "reprocess", quarantined, "--document", str(mended)).out
    assert "recorded" in text
    assert len(portrait("profile", "timeline", f"member_no:{member}", "-o", "json").lines) == 1


def test_what_is_given_up_is_gone_once_somebody_agrees(portrait: Portrait, quarantined: str) -> None:
    arguments = ("quarantine", "discard", quarantined, "--because", "a test")
    assert "--yes: is needed where nobody can be asked" in portrait(*arguments, status=2).err
    assert portrait(*arguments, "--yes", "-o", "json").document == {"discarded": 1}
    assert "nothing waits" in portrait("quarantine", "show", quarantined, status=1).err


@pytest.mark.parametrize("change", ["occurred_at", "=3", "occurred_at.year=3"])
def test_a_change_that_can_not_be_made_changes_nothing(portrait: Portrait, quarantined: str, change: str) -> None:
    assert "--set: " in portrait("quarantine", "reprocess", quarantined, "--set", change, status=2).err
    assert portrait("quarantine", "show", quarantined, "-o", "json").document["attempts"] == 0


SCHEMA = """\
name: visit_booked
kind: event
weight: 3
properties:
  - {name: total, type: number, role: amount, required: true}
---
name: visit_cancelled
kind: event
"""


def test_a_schema_is_published_once_somebody_agrees_and_then_enforced(
    portrait: Portrait, tmp_path: Path, member: str
) -> None:
    (tmp_path / "schemas").mkdir()
    file = tmp_path / "schemas" / "visits.yaml"
    file.write_text(SCHEMA)
    folder = str(tmp_path / "schemas")
    refused = portrait("schema", "apply", folder, status=2)
    assert "total: required number as amount" in refused.out
    assert "--yes: is needed" in refused.err
    assert "NOT_FOUND" in portrait("schema", "show", "visit_booked", status=1).err

    published = portrait("schema", "apply", folder, "--yes", "-o", "json").lines

    assert [(one["name"], one["version"]) for one in published] == [("visit_booked", 1), ("visit_cancelled", 1)]
    again = portrait("schema", "apply", folder, "-o", "json").lines
    assert [(one["changes"], one["version"]) for one in again] == [([], 1), ([], 1)]
    visit = ordered(member, event="visit_booked", properties={})
    said = portrait("collect", ndjson(tmp_path / "v.ndjson", visit), "-o", "json", status=1).document
    assert said["quarantined"] == {"MISSING_FIELD": 1}

    file.write_text(SCHEMA.replace("weight: 3", "weight: 5"))
    assert "weight: 3 → 5" in portrait("schema", "apply", str(file), "--dry-run").out
    assert "is version 2" in portrait("schema", "apply", str(file), "--yes").out
    assert portrait("schema", "show", "visit_booked", "--version", "1", "-o", "json").document["weight"] == 3


def test_a_schema_as_shown_can_be_applied(portrait: Portrait, tmp_path: Path) -> None:
    shown = tmp_path / "shown.yaml"
    shown.write_text(portrait("schema", "show", "product_viewed").out)
    (planned,) = portrait("schema", "apply", str(shown), "--dry-run", "-o", "json").lines
    assert planned["name"] == "product_viewed"
    as_json = portrait("schema", "show", "product_viewed", "-o", "json").out
    (tmp_path / "json.yaml").write_text(as_json)
    (same,) = portrait("schema", "apply", str(tmp_path / "json.yaml"), "--dry-run", "-o", "json").lines
    assert same["changes"] == planned["changes"]


def test_what_a_schema_file_gets_wrong_is_told_with_its_path(portrait: Portrait, tmp_path: Path) -> None:
    file = tmp_path / "s.yaml"
    file.write_text("name: x\nkind: event\nproperties:\n  - {name: a, type: nummber}\n")
    refused = portrait("schema", "apply", str(file), status=2)
    assert "s.yaml: properties[0].type is none of" in refused.err
    assert "did you mean number?" in refused.err
    file.write_text("name: traits\nkind: event\n")
    assert "schema.name" in portrait("schema", "apply", str(file), status=1).err


def test_the_schemas_that_ship_are_listed(portrait: Portrait) -> None:
    names = {one["name"] for one in portrait("schema", "list", "-o", "json").lines}
    assert {"order_completed", "product_viewed", "traits"} <= names
    assert "ships with Portrait" in portrait("schema", "list").out
