"""Every example of docs/conditions.md is what it says."""

import re
from pathlib import Path
from typing import Any

import pytest

from libs.conditions import batch
from libs.conditions.event import Event
from libs.conditions.features import Features
from libs.conditions.numbers import fixed
from libs.conditions.plan import Plan
from libs.conditions.reading import read_document
from libs.conditions.standing import Standing
from libs.conditions.windows import HOUR
from libs.conditions.writing import write_document
from libs.runtime.strict_yaml import read_yaml

PAGE = Path(__file__).parents[3] / "docs/conditions.md"
BLOCK = re.compile(r"^```yaml\n(.*?)^```", re.MULTILINE | re.DOTALL)
EXAMPLES: list[dict[str, Any]] = [read_yaml(block) for block in BLOCK.findall(PAGE.read_text())]
NOON = 1_795_320_000_000_000  # 2026-11-22T04:00:00Z, noon in Shanghai
UNITS = {"m": HOUR // 60, "h": HOUR, "d": 24 * HOUR}


def event(index: int, said: list[Any]) -> Event:
    ago, name, properties = said
    source = properties.pop("$source", "")
    return Event(bytes([index]), name, NOON - int(ago[:-1]) * UNITS[ago[-1]], properties, {}, source)


def person(said: dict[str, Any]) -> tuple[list[Event], Standing]:
    events = [event(index, one) for index, one in enumerate(said.pop("events", []))]
    scores = {key: fixed(score) or 0 for key, score in said.pop("scores", {}).items()}
    stages, tiers, segments = (frozenset(said.pop(name, [])) for name in ("stages", "tiers", "segments"))
    standing = Standing(said.pop("traits", {}), said.pop("tags", {}), scores, stages, tiers, segments)
    assert not said, "nothing of an example is left unread"
    return events, standing


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 15


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example["title"]["en"])
def test_an_example_holds_of_one_and_not_of_the_other(example: dict[str, Any]) -> None:
    assert example["title"]["zh"]
    condition = read_document(example["when"])
    assert read_document(write_document(condition)) == condition
    plan = Plan({"it": condition}, "Asia/Shanghai")
    for expected in ("yes", "no"):
        events, standing = person(dict(example[expected]))
        features = Features()
        for one in events:
            plan.fold(features, one)
        assert plan.answer("it", features, standing, NOON).holds is (expected == "yes"), expected
        assert batch.answer(condition, events, standing, NOON, plan.zones).holds is (expected == "yes"), expected
