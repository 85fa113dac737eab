from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.runtime.clock import SECOND
from services.profile.domain.calendar import Calendar
from tests.support.interactions import moment

NEW_YORK = Calendar("America/New_York", "USD")


@settings(deadline=None)
@given(
    st.sampled_from(["Asia/Shanghai", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe", "UTC"]),
    st.integers(moment("1975-01-01"), moment("2100-01-01")),
)
def test_day_and_hour_are_those_on_the_wall(zone: str, at: int) -> None:
    local = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=at)).astimezone(ZoneInfo(zone))
    day = (local.date() - datetime(1970, 1, 1, tzinfo=UTC).date()).days
    assert Calendar(zone, "USD").place(at) == (day, local.weekday() * 24 + local.hour)


def test_the_hour_that_summer_time_skips_is_empty_and_the_one_repeated_counts_both() -> None:
    sunday = 6 * 24
    assert NEW_YORK.place(moment("2026-03-08T06:59:59"))[1] == sunday + 1
    assert NEW_YORK.place(moment("2026-03-08T07:00:00"))[1] == sunday + 3
    assert NEW_YORK.place(moment("2026-11-01T05:30:00"))[1] == sunday + 1
    assert NEW_YORK.place(moment("2026-11-01T06:30:00"))[1] == sunday + 1


def test_a_day_begins_at_midnight_of_the_zone() -> None:
    day = NEW_YORK.day(moment("2026-03-08T20:00:00"))
    start = NEW_YORK.start_of(day)
    assert start == moment("2026-03-08T05:00:00")
    assert NEW_YORK.day(start) == day
    assert NEW_YORK.day(start - 1) == day - 1
    assert NEW_YORK.start_of(day + 1) - start == 23 * 3600 * SECOND


@pytest.mark.parametrize("at", ["1900-01-01", "1969-12-31T23:59:59", "2028-02-29T12:00:00"])
def test_days_far_from_now_are_counted_too(at: str) -> None:
    utc = Calendar("UTC", "USD")
    assert utc.day(moment(at)) == (datetime.fromisoformat(at) - datetime(1970, 1, 1)).days  # noqa: DTZ001  both in UTC


def test_an_unknown_zone_is_refused() -> None:
    with pytest.raises(ZoneInfoNotFoundError):
        Calendar("Mars/Olympus", "USD")
