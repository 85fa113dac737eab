"""The examples of a document are run when it is published."""

from typing import Any

import pytest

from libs.runtime.errors import InvalidArgument
from services.tagging.domain.trial import run_examples
from tests.unit.tagging.test_definition import read

ZONE = "Asia/Shanghai"


def example(expect: Any, *events: Any, **more: Any) -> dict[str, Any]:
    return {"name": "somebody", "expect": expect, "events": list(events) or None, **more}


def run(*examples: dict[str, Any], **more: Any) -> None:
    cleaned = [{name: one for name, one in each.items() if one is not None or name == "expect"} for each in examples]
    run_examples(read(tests=cleaned, **more), ZONE)


def test_an_example_that_comes_out_as_expected_says_nothing() -> None:
    run(example(True, {"event": "product_viewed", "ago": "6d"}))
    run(example(False, {"event": "product_viewed", "ago": "7d"}))
    run(example(None))


def test_an_example_that_comes_out_otherwise_is_named_with_its_path() -> None:
    with pytest.raises(InvalidArgument, match="somebody: expects the tag, and has nothing") as caught:
        run(example(False), example(True, {"event": "product_viewed", "ago": "7d"}))
    assert (caught.value.field, caught.value.reason) == ("tests[1].expect", "TEST_FAILED")


def test_days_are_those_of_the_tenant() -> None:
    midnight = "2026-03-01T00:00:00+08:00"
    seen = {"event": "product_viewed", "at": "2026-02-22T23:59:59+08:00"}
    run(example(False, seen, now=midnight))
    run(example(True, {**seen, "at": "2026-02-23T00:00:00+08:00"}, now=midnight))


def test_an_example_may_hold_other_tags_and_say_things_of_the_person() -> None:
    when = {"all": [{"tag": "vip"}, {"trait": {"city": {"is": "上海"}}}]}
    moved = {"event": "moved", "ago": "1d", "traits": {"city": "上海"}}
    run(example(True, moved, tags={"vip": True}), example(False, moved), when=when)


def test_an_example_may_say_of_which_item() -> None:
    per = {"did": {"event": "product_viewed", "per": "product_id", "times": {"at_least": 2}, "within": "7d"}}
    ladder = [{"value": "strong", "when": per}]
    seen = {"event": "product_viewed", "ago": "1d", "properties": {"product_id": "p9"}}
    run(example("strong", seen, seen, of="p9"), value="enum", when=None, ladder=ladder)
    with pytest.raises(InvalidArgument, match="of 'p9'"):
        run(example("strong", seen, seen, of="p1"), value="enum", when=None, ladder=ladder)


def test_a_true_that_is_a_number_is_none() -> None:
    with pytest.raises(InvalidArgument):
        run(example(1, {"event": "product_viewed", "ago": "1d"}))
