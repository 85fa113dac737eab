"""`portrait tag` against the service: what is tried, published, explained and set, as words and as JSON."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from libs.cli.__main__ import main
from tests.support.tagging_service import Tagged
from tests.unit.tagging.test_definition import VIEWED, document

Portrait = Callable[..., Awaitable[str]]
ANNA = "user_id:u1"


@pytest.fixture
def portrait(tagged: Tagged, capsys: pytest.CaptureFixture[str]) -> Portrait:
    """Runs a command of the group; `status` is the exit status that it must end with. Answers what it printed."""

    async def run(*arguments: str, status: int = 0) -> str:
        where = ["--address", tagged.address, "--tenant", tagged.tenant.id]
        capsys.readouterr()  # what the service logs in this process
        ended = await asyncio.to_thread(main, ["tag", *arguments, *where])
        captured = capsys.readouterr()
        assert ended == status, captured.err
        return captured.err if status else captured.out

    return run


@pytest.fixture
def file(tmp_path: Path) -> str:
    """A file with one definition."""
    path = tmp_path / "tag.yaml"
    path.write_text(document(), encoding="utf-8")
    return str(path)


def write(file: str, text: str) -> None:
    Path(file).write_text(text, encoding="utf-8")


def said(printed: str) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(printed)
    return told


async def test_a_definition_is_tried_then_published_and_shown_as_it_was_written(
    tagged: Tagged, portrait: Portrait, file: str
) -> None:
    await tagged.did("u1", "product_viewed")
    assert "1 would get it" in await portrait("preview", file)
    assert "looks_around" not in await portrait("list")
    assert "1 would get it" in await portrait("apply", file, "--dry-run")
    assert "looks_around version 1" in await portrait("apply", file, "--yes")
    await tagged.settle()
    assert await portrait("show", "looks_around") == document()
    assert "逛过 · Looks" in await portrait("list")
    assert "nothing" in await portrait("apply", file)
    held = said(await portrait("person", ANNA, "-o", "json"))
    assert [one["tag"] for one in held["tags"]] == ["looks_around"]


async def test_a_changed_definition_replaces_the_version_that_was_planned_on(
    tagged: Tagged, portrait: Portrait, file: str
) -> None:
    await portrait("apply", file, "--yes")
    write(file, document(owner="somebody else"))
    printed = await portrait("apply", file, "--yes")
    assert "another owner" in printed
    assert "version 2" in printed
    assert await portrait("show", "looks_around", "--version", "1") == document()


async def test_what_is_wrong_in_a_file_is_told_with_its_path(portrait: Portrait, file: str) -> None:
    write(file, document(when={"did": {"event": "x", "within": "7y"}}))
    assert "when.did.within" in await portrait("apply", file, "--yes", status=1)


async def test_what_there_is_not_is_told_and_not_waited_for(tagged: Tagged, portrait: Portrait, file: str) -> None:
    await tagged.publish(document())
    assert "did you mean 'looks_around'?" in await portrait("watch", "--tag", "looks_arond", status=1)
    assert "there are behaviour" in await portrait("list", "--category", "behavior", status=2)
    assert "'looks_arond' does not exist" in await portrait("clear", ANNA, "looks_arond", status=1)


async def test_an_empty_answer_as_of_a_time_says_why(
    tagged: Tagged, portrait: Portrait, capsys: pytest.CaptureFixture[str]
) -> None:
    await tagged.did("u1", "product_viewed")
    where = ["--address", tagged.address, "--tenant", tagged.tenant.id]
    for at, times in (("2001-01-01", 1), ("2101-01-01", 0)):
        await tagged.publish(document())
        capsys.readouterr()
        assert await asyncio.to_thread(main, ["tag", "person", ANNA, "--as-of", at, *where]) == 0
        assert capsys.readouterr().err.count("nothing had been decided by then") == times


async def test_an_explanation_is_readable(tagged: Tagged, portrait: Portrait) -> None:
    await tagged.publish(document(when={"all": [VIEWED, {"trait": "city"}]}))
    await tagged.did("u1", "product_viewed")
    printed = " ".join((await portrait("explain", ANNA, "looks_around")).split())
    assert "does not have looks_around: no condition of it holds" in printed
    assert "trait: city" in printed
    (reason,) = said(await portrait("explain", ANNA, "looks_around", "-o", "json"))["reasons"]
    assert [leaf["holds"] for leaf in reason["leaves"]] == [True, False]


async def test_a_tag_is_set_by_hand_and_cleared(tagged: Tagged, portrait: Portrait) -> None:
    await tagged.publish(document())
    assert "is set" in await portrait("set", ANNA, "looks_around", "--because", "a friend")
    await tagged.settle()
    assert await tagged.tags("u1") == {"looks_around": True}
    assert "is cleared" in await portrait("clear", ANNA, "looks_around")
    assert "nothing was set" in await portrait("clear", ANNA, "looks_around")
    assert "neither true nor false" in await portrait("set", ANNA, "looks_around", "gold", status=2)


async def test_a_tag_is_retired(tagged: Tagged, portrait: Portrait) -> None:
    await tagged.did("u1", "product_viewed")
    await tagged.publish(document())
    assert "is retired" in await portrait("retire", "looks_around", "--yes")
    await tagged.settle()
    assert await tagged.tags("u1") == {}
    assert "retired" in await portrait("list", "--retired")
