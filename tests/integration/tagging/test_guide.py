"""What docs/guides/write-a-tag.md shows, with the real services."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from libs.cli.__main__ import main
from libs.devstack.stack import Stack
from tests.integration.tagging.test_service import until
from tests.support.profile import Client, fresh, tracked
from tests.unit.docs.test_tags_guide import DEFINITIONS

Portrait = Callable[..., Awaitable[str]]


@pytest.fixture
def portrait(tags_stack: Stack, capsys: pytest.CaptureFixture[str]) -> Portrait:
    """Runs `portrait tag …`; answers what it printed."""

    async def run(*arguments: str) -> str:
        address = tags_stack.services["tagging"].target
        ended = await asyncio.to_thread(main, ["tag", *arguments, "--address", address])
        captured = capsys.readouterr()
        assert ended == 0, captured.err
        return captured.out

    return run


@pytest.fixture
def folder(tmp_path: Path) -> str:
    """The definitions of the guide in one file."""
    (tmp_path / "tags.yaml").write_text("---\n".join(DEFINITIONS), encoding="utf-8")
    return str(tmp_path)


async def test_what_the_guide_defines_is_published_found_explained_and_set_by_hand(
    shopping: Client, portrait: Portrait, folder: str
) -> None:
    user = fresh("user")
    planned = await portrait("apply", folder, "--yes")
    assert "purchase_intent version 1" in planned
    # Schemas ship with the e-commerce names; what a clinic calls its treatments, nobody has described.
    assert "no event 'treatment_completed' is known" in planned
    assert "no event 'product_viewed' is known" not in planned

    async def are_live() -> bool:
        return "filling" not in await portrait("list")

    await until(are_live)
    await shopping.recorded(tracked(user, "product_viewed", properties={"product_id": "p9", "category": "food"}))
    (last,) = await shopping.recorded(
        tracked(user, "product_viewed", properties={"product_id": "p9", "category": "food"})
    )
    name, position = f"user_id:{user}", f"{last.partition}:{last.position}"
    held = json.loads(await portrait("person", name, "--at-least", position, "-o", "json"))["tags"]
    assert {one["tag"]: (one["value"], one["of"]) for one in held} == {
        "favourite_category": ({"text": "food"}, ""),
        "purchase_intent": ({"text": "evaluating"}, "p9"),
    }
    told = json.loads(await portrait("explain", name, "purchase_intent", "-o", "json"))
    (deciding,) = [one for one in told["reasons"] if one["decides"]]
    assert len(deciding["leaves"][0]["event_ids"]) == 2
    await portrait("set", name, "frequent_skincare", "--because", "told us so")

    async def is_set() -> bool:
        return "by_hand" in await portrait("person", name)

    await until(is_set)
