"""`portrait identity` against the service: what is asked, decided and published, as words and as JSON."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from libs.cli.__main__ import main
from libs.people.identifiers import DEFAULT_RULES
from libs.people.rules_document import written
from tests.support.identity import seen
from tests.support.identity_service import Asked, values
from tests.support.identity_tables import PARTITIONS, value_of

Portrait = Callable[..., Awaitable[str]]


@pytest.fixture
def portrait(asked: Asked, capsys: pytest.CaptureFixture[str]) -> Portrait:
    """Runs a command of the group; `status` is the exit status that it must end with. Answers what it printed."""

    async def run(*arguments: str, status: int = 0) -> str:
        own = [said(one) if len(one) in {2, 3} and one[1:].isdigit() else one for one in arguments]
        where = ["--address", asked.address, "--tenant", asked.world.tenant.id]
        ended = await asyncio.to_thread(main, ["identity", *own, *where])
        captured = capsys.readouterr()
        assert ended == status, captured.err
        return captured.err if status else captured.out

    def said(name: str) -> str:
        one = asked.identifier(name)
        return f"{one.type}:{one.value}"

    return run


def documents(printed: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in printed.splitlines()]


def people(answer: dict[str, Any]) -> list[set[str]]:
    return [{one["value"] for one in person["identifiers"]} for person in answer["people"]]


async def test_identifiers_are_resolved_one_or_many(asked: Asked, portrait: Portrait) -> None:
    await asked.saw(seen("u1", "d1"))
    table = await portrait("resolve", "d1", "u9", "phone:null")
    for told in (asked.id("u1"), asked.id("u9"), "never seen", "names nobody: PLACEHOLDER"):
        assert told in table
    one, _ = documents(await portrait("resolve", "d1", "u9", "-o", "json"))
    assert one["known"]
    asked.consumed["interactions"] = {0: 1}
    (waited,) = documents(await portrait("resolve", "d1", "--at-least", "0:1", "-o", "json"))
    assert waited == one


async def test_a_person_is_shown_now_and_as_of_then(asked: Asked, portrait: Portrait) -> None:
    await asked.saw(seen("u1", "d1", day=1), seen("u1", "p1", day=5))
    assert value_of("p1") in await portrait("person", "u1")
    (then,) = documents(await portrait("person", "u1", "--as-of", "1970-01-04", "-o", "json"))
    assert {one["value"] for one in then["identifiers"]} == values("u1", "d1")
    (known,) = documents(await portrait("person", then["person_id"], "--known-at", "2030-01-01", "-o", "json"))
    assert known["person_id"] == then["person_id"]
    assert "[NOT_FOUND]" in await portrait("person", "u5", status=1)


async def test_an_explanation_is_told(asked: Asked, portrait: Portrait) -> None:
    await asked.saw(seen("u1", "d1"), seen("u2", "d1"))
    assert "one person may have at most 1 user_id" in await portrait("explain", "u1", "u2")
    assert "seen together once" in await portrait("explain", "u1")
    (told,) = documents(await portrait("explain", "u1", "d1", "-o", "json"))
    assert told["chain"][0]["basis"] == "seen"


async def test_two_are_linked_and_unlinked_after_a_look_at_what_would_happen(asked: Asked, portrait: Portrait) -> None:
    await asked.saw(seen("u1", "d1"), seen("e1", "d2"))
    assert "nothing was decided" in await portrait("link", "u1", "e1", "--dry-run")
    (done,) = documents(await portrait("link", "u1", "e1", "--because", "at the desk", "-o", "json"))
    assert people(done) == [values("u1", "d1", "e1", "d2")]
    assert "at the desk" in await portrait("explain", "u1", "e1")
    assert "decided" in await portrait("unlink", "u1", "e1")
    assert await asked.names("u1") == values("u1", "d1")


async def test_one_identifier_is_split_from_its_person(asked: Asked, portrait: Portrait) -> None:
    await asked.saw(seen("u1", "p1", "d1"), seen("p1", "e1"))
    assert "--yes: is needed where nobody can be asked" in await portrait("split", "p1", status=2)
    edges = documents(await portrait("split", "p1", "--dry-run", "-o", "json"))
    assert len(edges) == 3
    assert await asked.names("u1") == values("u1", "p1", "d1", "e1")
    assert "person alone" in await portrait("split", "p1", "--yes", "--because", "the shop's phone")
    assert await asked.names("p1") == values("p1")
    assert await asked.names("u1") == values("u1", "d1")
    assert "person alone" in await portrait("split", "p1", "--yes")


async def test_pairs_are_forbidden_and_values_blocked_and_both_taken_back(asked: Asked, portrait: Portrait) -> None:
    await asked.saw(seen("u1", "e1"), seen("e1", "m1"))
    (done,) = documents(await portrait("forbid", "u1", "m1", "-o", "json"))
    assert len(done["people"]) == 2
    await portrait("allow", "u1", "m1")
    assert await asked.names("u1") == values("u1", "e1", "m1")
    assert "blocked" in await portrait("block", "e1", "--because", "the shop's own")
    assert await asked.names("u1") == values("u1")
    await portrait("unblock", "e1")
    assert await asked.names("u1") == values("u1", "e1", "m1")


async def test_rules_are_shown_previewed_and_applied(asked: Asked, portrait: Portrait, tmp_path: Path) -> None:
    await asked.saw(seen("u1", "d1"), seen("u2", "d1"))
    shown = await portrait("rules", "show")
    assert shown == written(DEFAULT_RULES)
    rules = yaml.safe_load(shown)
    rules["types"]["user_id"]["per_person"] = 2
    file = tmp_path / "rules.yaml"
    file.write_text(yaml.safe_dump(rules))
    plan = await portrait("preview", str(file))
    assert "user_id.per_person: 1 → 2" in plan
    assert "1 person would be several" in plan
    assert "--yes" in await portrait("rules", "apply", str(file), status=2)
    assert await asked.names("u2") == values("u2")
    assert "version 1 of the rules stands" in await portrait("rules", "apply", str(file), "--yes")
    assert await asked.names("u2") == values("u1", "u2", "d1")
    assert "says so already" in await portrait("rules", "apply", str(file), "--yes")
    (first,) = documents(await portrait("rules", "show", "--version", "0", "-o", "json"))
    assert first["etag"] == "shipped"
    file.write_text("types: {}")
    assert "document: types: must name at least one" in await portrait("preview", str(file), status=1)


async def test_changes_are_watched_behind_positions(asked: Asked, portrait: Portrait) -> None:
    """A watch ends when nobody listens any more; here the service tells that a position is none."""
    behind = [part for partition in range(PARTITIONS) for part in ("--behind", f"{partition}:{1 << 40}")]
    assert "is beyond the end of the partition" in await portrait("watch", *behind, status=1)
