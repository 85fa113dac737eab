"""Anniversaries, ages and distances, held against counting on one's fingers."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.conditions.calendar import Calendar
from libs.conditions.comparisons import Anniversary, DatePart, FromToday, Years
from libs.conditions.dates import day_of, part_changes, part_holds, years
from libs.conditions.numbers import SCALE, Bound
from libs.conditions.windows import read_day

EPOCH = date(1970, 1, 1)
SHANGHAI = Calendar("Asia/Shanghai")


def day(text: str) -> int:
    found = read_day(text)
    assert found is not None
    return found


BIRTHDAY_SOON = Anniversary(days_before=3)


@pytest.mark.parametrize(
    ("today", "holds"),
    [("2026-05-03", False), ("2026-05-04", True), ("2026-05-07", True), ("2026-05-08", False)],
)
def test_a_birthday_is_near_from_three_days_before_to_the_day_itself(today: str, holds: bool) -> None:
    assert part_holds(BIRTHDAY_SOON, day("1990-05-07"), day(today)) is holds


@pytest.mark.parametrize(("today", "holds"), [("2025-12-29", False), ("2025-12-30", True), ("2026-01-02", True)])
def test_a_birthday_in_january_is_near_in_december(today: str, holds: bool) -> None:
    assert part_holds(BIRTHDAY_SOON, day("1990-01-02"), day(today)) is holds


@pytest.mark.parametrize(
    ("today", "holds"),
    [("2026-02-27", False), ("2026-02-28", True), ("2026-03-01", False), ("2028-02-28", False), ("2028-02-29", True)],
)
def test_who_was_born_on_29_february_celebrates_on_the_28th_in_other_years(today: str, holds: bool) -> None:
    assert part_holds(Anniversary(), day("2000-02-29"), day(today)) is holds


def test_an_age_rises_on_the_birthday() -> None:
    born = day("2008-11-22")
    assert [years(born, day(today)) for today in ("2026-11-21", "2026-11-22", "2027-11-21")] == [17, 18, 18]


def test_a_date_that_is_no_date_is_none() -> None:
    texts = ("", "soon", "2026-02-30", "2026-13-01T00:00:00Z", 20_260_101, None)
    assert [day_of(value, SHANGHAI) for value in texts] == [None] * 6


def test_a_time_with_an_offset_has_the_day_of_the_calendar_and_one_without_its_own() -> None:
    assert day_of("2026-05-06T23:00:00Z", SHANGHAI) == day("2026-05-07")
    assert day_of("2026-05-06T23:00:00", SHANGHAI) == day("2026-05-06")


bounds = st.integers(0, 40).map(lambda low: Bound(low * SCALE, (low + 5) * SCALE))
parts: st.SearchStrategy[DatePart] = st.one_of(
    st.builds(Anniversary, st.integers(0, 180), st.integers(0, 180)),
    bounds.map(Years),
    st.builds(FromToday, st.integers(-400, 0), st.integers(0, 400)),
)
dates = st.one_of(st.dates(date(1950, 1, 1), date(2040, 1, 1)), st.just(date(2000, 2, 29)))


@given(parts, dates, st.dates(date(2020, 1, 1), date(2030, 1, 1)))
def test_no_day_before_the_one_told_answers_otherwise(part: DatePart, of: date, now: date) -> None:
    then, today = (of - EPOCH).days, (now - EPOCH).days
    holds = part_holds(part, then, today)
    change = part_changes(part, then, today)
    for later in range(today, min(change or today + 800, today + 800)):
        assert part_holds(part, then, later) is holds


@given(st.integers(0, 10), st.integers(0, 10), dates, st.dates(date(2020, 1, 1), date(2030, 1, 1)))
def test_an_anniversary_is_found_by_looking_at_each_day_around(before: int, after: int, of: date, now: date) -> None:
    def celebrates(on: date) -> bool:
        next_day = on + timedelta(days=1)
        leap_day_missed = (of.month, of.day) == (2, 29) and (on.month, on.day, next_day.day) == (2, 28, 1)
        return (on.month, on.day) == (of.month, of.day) or leap_day_missed

    around = [now + timedelta(days=n) for n in range(-after, before + 1)]
    part = Anniversary(before, after)
    assert part_holds(part, (of - EPOCH).days, (now - EPOCH).days) is any(celebrates(one) for one in around)
