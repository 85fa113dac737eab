from datetime import timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from libs.cli.errors import BadInput
from libs.cli.texts import lasting, many, moment, moment_of, moment_said, money, shortened

SHANGHAI, NEW_YORK = ZoneInfo("Asia/Shanghai"), ZoneInfo("America/New_York")


def test_a_time_is_shown_in_the_zone_with_its_offset() -> None:
    when = Timestamp(seconds=1_772_330_400)
    assert moment(when, SHANGHAI) == "2026-03-01 10:00:00 +08:00"
    assert moment(when, NEW_YORK) == "2026-02-28 21:00:00 -05:00"
    assert moment_of(1_772_330_400_000_000, timezone(-timedelta(hours=3, minutes=30))).endswith("22:30:00 -03:30")


def test_no_time_is_a_dash() -> None:
    assert moment(Timestamp(), SHANGHAI) == "–"


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("2026-03-01", 1_772_294_400),
        ("2026-03-01T10:00:00", 1_772_330_400),
        ("2026-03-01T02:00:00Z", 1_772_330_400),
        ("2026-03-01 10:00+08:00", 1_772_330_400),
    ],
)
def test_a_time_is_read_in_the_zone_unless_it_says_its_offset(said: str, seconds: int) -> None:
    assert moment_said("--as-of", said, SHANGHAI).seconds == seconds


@pytest.mark.parametrize("said", ["tomorrow", "2026-13-01", "1772330400", ""])
def test_what_is_no_time_is_refused(said: str) -> None:
    with pytest.raises(BadInput, match="--as-of"):
        moment_said("--as-of", said, SHANGHAI)


@pytest.mark.parametrize(
    ("currency", "minor", "text"),
    [
        ("CNY", 128_050, "CNY 1,280.50"),
        ("JPY", 1_999, "JPY 1,999"),
        ("KWD", 1_005, "KWD 1.005"),
        ("EUR", -7, "EUR -0.07"),
    ],
)
def test_money_has_the_digits_of_its_currency(currency: str, minor: int, text: str) -> None:
    assert money(currency, minor) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (3.21, "3.2 s"), (59.7, "1 min"), (250, "4 min 10 s"), (3600, "1 h"), (183_600, "2 d 3 h")],
)
def test_a_duration_has_two_units_at_the_most(seconds: float, text: str) -> None:
    assert lasting(seconds) == text


def test_counts_agree_with_their_nouns() -> None:
    assert [many(1, "row"), many(2_500, "row"), many(0, "person", "people")] == ["1 row", "2,500 rows", "0 people"]


def test_values_are_shortened_to_one_line() -> None:
    assert shortened("a\n  b", 10) == "a b"
    assert shortened({"城": [1]}, 40) == '{"城": [1]}'
    assert shortened("x" * 50, 5) == "xxxx…"
