from collections.abc import Callable
from typing import Any, Literal

import pytest

from libs.people import document as read
from libs.people.identifiers import DAY
from libs.runtime.errors import InvalidArgument

Size = Literal["small", "large"]


def test_what_is_right_is_read_as_written() -> None:
    assert read.fields("", {"a": 1}, frozenset("a"), frozenset("b")) == {"a": 1}
    assert read.whole("n", -3) == -3
    assert read.count("n", 7, 7) == 7
    assert read.duration("d", "36h") == DAY * 3 // 2
    assert read.duration("d", "365d") == 365 * DAY
    assert read.one_of("s", "large", Size) == "large"
    assert read.texts("t", ["b", "a"]) == ("b", "a")


@pytest.mark.parametrize(
    ("reading", "path", "told"),
    [
        (lambda: read.mapping("types", []), "types", "must be a mapping"),
        (lambda: read.fields("", {}, frozenset("a")), "a", "is missing"),
        (lambda: read.fields("x.y", {}, frozenset("a")), "x.y.a", "is missing"),
        (lambda: read.fields("x", {"c": 1}, frozenset(), frozenset("ab")), "x.c", "is unknown; known are a, b"),
        (lambda: read.fields("x", {3: 1}, frozenset(), frozenset("a")), "x.3", "is unknown; known are a"),
        (lambda: read.whole("n", True), "n", "must be a whole number"),
        (lambda: read.whole("n", 1.0), "n", "must be a whole number"),
        (lambda: read.count("n", 0, 10_000), "n", "must be from 1 to 10,000"),
        (lambda: read.count("n", 10_001, 10_000), "n", "must be from 1 to 10,000"),
        (lambda: read.one_of("s", "huge", Size), "s", "must be one of small, large, not 'huge'"),
        (lambda: read.one_of("s", [], Size), "s", r"must be one of small, large, not \[\]"),
        (lambda: read.texts("t", "abc"), "t", "must be a list"),
        (lambda: read.texts("t", ["a", 1]), r"t[1]", "must be text; put numbers in quotes"),
    ],
)
def test_a_mistake_is_named_by_its_path(reading: Callable[[], Any], path: str, told: str) -> None:
    with pytest.raises(InvalidArgument, match=told) as caught:
        reading()
    assert caught.value.field == path


@pytest.mark.parametrize(
    "wrong", ["", "0d", "12", "1w", "-1h", "1.5d", "1234567d", "01h", " 1h", "1h\n", 5, None, "１d"]
)
def test_a_time_is_hours_or_days(wrong: Any) -> None:
    with pytest.raises(InvalidArgument, match="such as 36h or 365d"):
        read.duration("d", wrong)
