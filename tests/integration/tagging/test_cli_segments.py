"""`portrait segment` against the service: what docs/guides/define-a-segment.md shows, as words and as JSON."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from libs.cli.__main__ import main
from libs.devstack.stack import Stack
from services.tagging.domain.names import DAY
from tests.support.interactions import NOON
from tests.support.tagging_service import Tagged
from tests.unit.docs.test_segments_guide import DEFINITIONS
from tests.unit.tagging.test_definition import document

Portrait = Callable[..., Awaitable[str]]
ANNA = "user_id:u1"


@pytest.fixture
def portrait(tagged: Tagged, capsys: pytest.CaptureFixture[str]) -> Portrait:
    """Runs `portrait …`; `status` is the exit status that it must end with. Answers what it printed."""

    async def run(*arguments: str, status: int = 0) -> str:
        where = ["--address", tagged.address, "--tenant", tagged.tenant.id]
        capsys.readouterr()  # what the service logs in this process
        ended = await asyncio.to_thread(main, [*arguments, *where])
        captured = capsys.readouterr()
        assert ended == status, captured.err
        return captured.out or captured.err

    return run


async def test_what_the_guide_defines_is_published_uploaded_explained_and_retired(
    tagged: Tagged, portrait: Portrait, tmp_path: Path
) -> None:
    (tmp_path / "all.yaml").write_text("---\n".join(DEFINITIONS), encoding="utf-8")
    for user in ("u1", "u2"):
        await tagged.did(user, "order_completed", NOON - 90 * DAY, total=1200)
    planned = await portrait("segment", "apply", str(tmp_path), "--dry-run")
    assert "2 would get it" in planned
    published = await portrait("segment", "apply", str(tmp_path), "--yes")
    assert all(f"{key} version 1" in published for key in ("lapsed_buyers", "do_not_contact", "value"))
    await tagged.settle()
    assert "nothing" in await portrait("tag", "apply", str(tmp_path))
    assert "沉默买家" in await portrait("segment", "list")
    assert await portrait("segment", "show", "lapsed_buyers") == DEFINITIONS[0]

    people = tmp_path / "asked.txt"
    people.write_text(f"# asked\n{ANNA}\n", encoding="utf-8")
    assert "1 row recorded" in await portrait("segment", "upload", "do_not_contact", str(people))
    assert "0 rows recorded, 1 known before" in await portrait("segment", "upload", "do_not_contact", str(people))
    await tagged.settle()
    held = json.loads(await portrait("tag", "person", ANNA, "-o", "json"))
    assert ([one["segment"] for one in held["segments"]], held["tier"]["tier"]) == (["do_not_contact"], "gold")
    told = " ".join((await portrait("segment", "explain", ANNA, "lapsed_buyers")).split())
    assert "is not in lapsed_buyers: no condition of it holds" in told
    assert "segments: lapsed_buyers" in await portrait("tag", "person", "user_id:u2")

    await portrait("segment", "upload", "do_not_contact", str(people), "--remove")
    await tagged.settle()
    assert "segments: lapsed_buyers" in await portrait("tag", "person", ANNA)
    assert "is retired" in await portrait("segment", "retire", "lapsed_buyers", "--yes")


READS_ANOTHER = """segment: around
title: {zh: 常客, en: Around}
owner: a
description: Whoever looks around.
when: {tag: looks_around}
"""


async def test_what_reads_another_of_its_batch_is_planned_behind_it_and_without_numbers(
    tagged: Tagged, portrait: Portrait, tmp_path: Path
) -> None:
    (tmp_path / "a.yaml").write_text(READS_ANOTHER, encoding="utf-8")
    (tmp_path / "b.yaml").write_text(document(), encoding="utf-8")
    await tagged.did("u1", "product_viewed")
    told = await portrait("segment", "apply", str(tmp_path), "--yes", "-o", "json")
    first, second = [json.loads(line)["plan"] for line in told.splitlines()]
    assert first["gained"] == 1
    assert second["warnings"] == [
        "reads looks_around, which is new in this batch: who gets it is seen once that is live"
    ]
    assert "lookedAt" not in second
    await tagged.settle()
    assert "segments: around" in await portrait("tag", "person", ANNA)


async def test_lines_that_name_nobody_are_refused_with_their_numbers_and_the_others_are_recorded(
    tagged: Tagged, portrait: Portrait, tmp_path: Path
) -> None:
    (tmp_path / "list.yaml").write_text(DEFINITIONS[1], encoding="utf-8")
    await portrait("segment", "apply", str(tmp_path), "--yes")
    await tagged.settle()
    people = tmp_path / "asked.txt"
    people.write_text(f"badtype:x\n\nnobody\n{ANNA}\n", encoding="utf-8")
    told = await portrait("segment", "upload", "do_not_contact", str(people), "-o", "json", status=1)
    answer = json.loads(told)
    assert (answer["recorded"], [row["row"] for row in answer["refused"]]) == (1, [1, 3])
    assert "'nobody' is neither a OneID" in answer["refused"][1]["reason"]


async def test_a_document_that_defines_nothing_is_told(tagged: Tagged, portrait: Portrait, tmp_path: Path) -> None:
    (tmp_path / "wrong.yaml").write_text("title: {en: A}\n", encoding="utf-8")
    assert "none of the fields tag, segment, lifecycle, tiers" in await portrait(
        "segment", "apply", str(tmp_path), status=2
    )


async def test_of_many_documents_the_one_that_is_refused_is_told(
    tagged: Tagged, portrait: Portrait, tmp_path: Path
) -> None:
    (tmp_path / "all.yaml").write_text("---\n".join(DEFINITIONS).replace("did_not:", "didnt:"), encoding="utf-8")
    refused = await portrait("segment", "apply", str(tmp_path), "--yes", status=1)
    assert "all.yaml (1): document: when.all[1].didnt: is not known here" in refused


async def test_a_stack_keeps_exports_in_its_data_folder(tags_stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    where = ["--address", tags_stack.services["tagging"].target, "--tenant", "demo", "-o", "json"]
    assert await asyncio.to_thread(main, ["segment", "export", "everyone", "--format", "csv", *where]) == 0
    exported = json.loads(capsys.readouterr().out)
    assert (tags_stack.data / "exports" / exported["path"]).stat().st_size == exported["bytes"]
