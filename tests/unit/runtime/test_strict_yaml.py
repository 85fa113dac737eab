import pytest

from libs.runtime.errors import InvalidArgument
from libs.runtime.strict_yaml import read_yaml


def test_dates_and_answers_stay_the_texts_that_they_are() -> None:
    assert read_yaml("[2026-11-11, no, on, true, False]") == ["2026-11-11", "no", "on", True, False]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: 2\na: 3", "line 3: 'a' stands twice"),
        ("[a", "line 1"),
        ("!!timestamp 2026-02-30", "is not YAML"),
        ("[" * 5000, "nested too deeply"),
        ("a" * 300_000, "is longer than"),
        ("!!python/object/apply:os.system [ls]", "is not YAML"),
    ],
)
def test_what_is_not_plain_yaml_is_refused(text: str, message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        read_yaml(text)
