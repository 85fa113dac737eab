import pytest

from examples.grocery.expectation import Unexpected, expect
from libs.cli.errors import explained


def test_what_is_as_expected_passes_in_silence() -> None:
    expect("answer", 42, 42)


def test_what_is_not_is_one_line_and_a_failing_exit() -> None:
    with pytest.raises(Unexpected) as caught:
        expect("orders of household 7", 3, 4)
    assert explained(caught.value) == ("orders of household 7: expected 4, found 3", 1)
