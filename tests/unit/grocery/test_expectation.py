from collections.abc import Awaitable, Callable

import pytest

from examples.grocery import expectation
from examples.grocery.expectation import Unexpected, expect, expect_soon
from libs.cli.errors import explained


def test_what_is_as_expected_passes_in_silence() -> None:
    expect("answer", 42, 42)


def test_what_is_not_is_one_line_and_a_failing_exit() -> None:
    with pytest.raises(Unexpected) as caught:
        expect("orders of household 7", 3, 4)
    assert explained(caught.value) == ("orders of household 7: expected 4, found 3", 1)


def counting(*answers: int) -> Callable[[], Awaitable[int]]:
    left = iter(answers)

    async def look() -> int:
        return next(left)

    return look


async def test_what_takes_its_time_is_looked_at_again() -> None:
    await expect_soon("answer", counting(0, 41, 42), 42)


async def test_what_never_comes_is_one_line_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expectation, "SOON", 0.0)
    with pytest.raises(Unexpected, match="answer: expected 42, found 41"):
        await expect_soon("answer", counting(41), 42)
