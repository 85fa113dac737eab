"""The faults planted in the data are found by whom they hit, from the day they began."""

from datetime import date, timedelta

import pytest

from examples.shop.faults import FAULTS, Finding, find, outbreak

MONDAY = date(2024, 1, 1)


@pytest.fixture(scope="module")
def found() -> dict[str, Finding]:
    return {tag: find(tag) for tag in FAULTS}


def test_both_faults_began_on_the_day_of_their_first_mark(found: dict[str, Finding]) -> None:
    began = {tag: one.outbreak and one.outbreak.began for tag, one in found.items()}
    assert began == {"checkout_loop": date(2024, 4, 13), "payment_failed_silently": date(2024, 5, 19)}
    assert all(one.outbreak and one.outbreak.began == one.first for one in found.values())


def test_they_are_noticed_within_the_week(found: dict[str, Finding]) -> None:
    assert all(one.outbreak and one.outbreak.noticed - one.first <= timedelta(days=6) for one in found.values())


def test_nearly_everybody_hit_is_tagged(found: dict[str, Finding]) -> None:
    counted = {tag: (len(one.tagged & one.hit), len(one.hit)) for tag, one in found.items()}
    assert counted == {"checkout_loop": (29, 30), "payment_failed_silently": (78, 87)}


def test_hardly_anybody_else_is(found: dict[str, Finding]) -> None:
    assert {tag: len(one.tagged - one.hit) for tag, one in found.items()} == {
        "checkout_loop": 2,
        "payment_failed_silently": 6,
    }


def test_growth_is_no_outbreak() -> None:
    days = [MONDAY + timedelta(days=week * 7 + person) for week in range(20) for person in range(min(week, 6) + 1)]
    assert outbreak(days) is None


def test_an_outbreak_begins_with_its_first_bad_day_not_with_the_week() -> None:
    usual = [MONDAY + timedelta(days=week * 7) for week in range(8)] * 2
    bad = [MONDAY + timedelta(days=60)] * 4 + [MONDAY + timedelta(days=61)] * 4
    begun = outbreak([*usual, *bad])
    assert begun is not None
    assert (begun.began, begun.noticed) == (MONDAY + timedelta(days=60), MONDAY + timedelta(days=61))


def test_nobody_is_no_outbreak() -> None:
    assert outbreak([]) is None
