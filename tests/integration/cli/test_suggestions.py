"""From people who were collected to suggestions and decisions, with the command alone."""

import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.integration.cli.conftest import Portrait, Said, ndjson

WITHIN = 120.0  # seconds: each look starts a process
ANNA = {
    "first_name": "Anna",
    "last_name": "Suggested",
    "birthday": "1990-05-01",
    "address": {"street": "1 Main Street"},
    "document_number": "X1234567",
}


def known(member: str, traits: dict[str, Any]) -> dict[str, Any]:
    return {"type": "identify", "source": "shop", "identifiers": {"member_no": member}, "traits": traits}


def suggested(portrait: Portrait, anna: str) -> dict[str, Any]:
    """Run the batch until identity knows of her, and find what is suggested of her."""
    until = time.monotonic() + WITHIN
    while time.monotonic() < until:
        told = portrait("identity", "suggest", "--plain", "-o", "json").document
        assert told["tenant"] == "demo"
        for one in portrait("identity", "suggestions", "--min-score", "0.9", "-o", "json").lines:
            if anna in {each["value"] for person in (one["one"], one["other"]) for each in person["identifiers"]}:
                return one
    raise AssertionError("nothing was suggested")


def twice(portrait: Portrait, folder: Path, member: str) -> str:
    """Anna under two accounts whose emails differ, among others; the second account."""
    mail = {"type": "identify", "source": "app", "identifiers": {"email": f"{member}@example.com"}, "traits": ANNA}
    others = [
        known(f"{member}-{n}", {"first_name": f"First{n}", "last_name": f"Last{n}", "birthday": f"19{n}-01-02"})
        for n in range(30, 60)
    ]
    portrait("collect", ndjson(folder / "people.ndjson", known(member, ANNA), mail, *others))
    return f"{member}@example.com"


def test_who_is_there_twice_is_suggested_shown_and_accepted(portrait: Portrait, tmp_path: Path, member: str) -> None:
    email = twice(portrait, tmp_path, member)
    one = suggested(portrait, member)
    shown = portrait("identity", "suggestions").out
    for told in (one["suggestion_id"][:12], f"member_no {member}", f"email {email}", "document number"):
        assert told in shown
    accepted = portrait("identity", "accept", one["suggestion_id"][:12], "--because", "the same passport")
    assert "decided" in accepted.out
    assert email in portrait("identity", "person", f"member_no:{member}").out
    assert one["suggestion_id"] in {
        each["suggestion_id"] for each in portrait("identity", "suggestions", "--state", "accepted", "-o", "json").lines
    }
    portrait("identity", "unlink", f"member_no:{member}", f"email:{email}")


def test_what_is_rejected_is_two_people_for_ever(portrait: Portrait, tmp_path: Path, member: str) -> None:
    email = twice(portrait, tmp_path, member)
    one = suggested(portrait, member)
    portrait("identity", "reject", one["suggestion_id"], "--because", "twins")
    told = portrait("identity", "explain", f"member_no:{member}", f"email:{email}").out
    assert "are two people" in told
    no_more = portrait("identity", "accept", one["suggestion_id"], status=1)
    assert "[SUGGESTION_DECIDED]" in no_more.err
    assert "no open suggestion begins with" in portrait("identity", "reject", one["suggestion_id"][:8], status=1).err


@pytest.mark.skipif(find_spec("splink") is not None, reason="the extra [linking] is installed")
def test_without_the_extra_it_is_said_how_to_get_it(portrait: Portrait) -> None:
    refused: Said = portrait("identity", "suggest", status=1)
    assert "pip install 'portrait[linking]'" in refused.err
    assert "--plain" in refused.err
    assert refused.err.count("\n") == 1


def test_a_tenant_that_does_not_exist_is_named(portrait: Portrait) -> None:
    assert "tenant 'nobody' does not exist" in portrait("identity", "suggest", "--tenant", "nobody", status=1).err
