"""The known name that is meant by one that nobody knows."""

from difflib import get_close_matches

import pytest

from libs.conditions.said import LONGEST_COMPARED, MOST_COMPARED, nearest

STAGES = [
    f"{colour}_{size}_{number}" for colour in ("red", "green") for size in ("big", "small") for number in range(99)
]


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("red_big_7x", "red_big_7"),
        ("red_bg_42", "red_big_42"),
        ("gren_small_98", "green_small_98"),
        ("reen_small_98", "green_small_98"),
        ("gerne_big_7", "green_big_7"),
        ("wholly_other", None),
    ],
)
def test_the_nearest_of_hundreds_of_names_is_found(name: str, meant: str | None) -> None:
    assert nearest(name, STAGES) == meant


def test_few_names_are_compared_and_no_long_one(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = list[int]()

    def counted(word: str, likely: list[str], n: int) -> list[str]:
        compared.append(len(likely))
        return get_close_matches(word, likely, n=n)

    monkeypatch.setattr("libs.conditions.said.get_close_matches", counted)
    assert nearest("red_big_x", STAGES)
    assert nearest("x" * (LONGEST_COMPARED + 1), STAGES) is None
    assert compared == [MOST_COMPARED]
