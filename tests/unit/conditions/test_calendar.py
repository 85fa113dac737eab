from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from libs.conditions.calendar import Calendar, Zones
from libs.conditions.event import Event
from libs.conditions.features import Features
from libs.conditions.plan import Plan
from libs.conditions.standing import NOBODY, Answer, Standing
from libs.conditions.windows import HOUR
from libs.conditions.yaml_form import read_condition
from libs.runtime.errors import InvalidArgument

MICROSECOND = 1


def at(zone: str, *when: int, fold: int = 0) -> int:
    moment = datetime(*when, tzinfo=ZoneInfo(zone), fold=fold)  # type: ignore[arg-type,misc]  # year, month, day, ...
    return int((moment - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()) * 1_000_000


def answer(text: str, zone: str, now: int, *events: int, standing: Standing = NOBODY) -> Answer:
    plan, features = Plan({"it": read_condition(text)}, zone), Features()
    for index, moment in enumerate(events):
        plan.fold(features, Event(bytes([index]), "bought", moment))
    return plan.answer("it", features, standing, now)


@pytest.mark.parametrize(
    ("zone", "day"),
    [
        ("America/New_York", (2024, 3, 10)),  # 23 hours
        ("America/New_York", (2024, 11, 3)),  # 25 hours
        ("America/Havana", (2024, 3, 10)),  # no midnight
        ("America/Havana", (2024, 11, 3)),  # the first hour twice
        ("Asia/Shanghai", (2024, 2, 29)),
        ("Australia/Lord_Howe", (2024, 4, 7)),  # half an hour
    ],
)
def test_a_day_begins_when_the_one_before_has_ended(zone: str, day: tuple[int, int, int]) -> None:
    calendar = Calendar(zone)
    number = calendar.day(at(zone, *day, 12))
    for each in (number, number + 1):
        start = calendar.start_of(each)
        assert (calendar.day(start - MICROSECOND), calendar.day(start)) == (each - 1, each)


@pytest.mark.parametrize(("month", "day"), [(3, 10), (11, 3)])
def test_a_day_of_23_or_25_hours_leaves_the_window_at_midnight(month: int, day: int) -> None:
    zone = "America/New_York"
    text, bought = "did: {event: bought, within: 2d}", at(zone, 2024, month, day, 0, 30)
    found = answer(text, zone, at(zone, 2024, month, day, 12), bought)
    assert found.changes_at == at(zone, 2024, month, day + 2)
    assert answer(text, zone, at(zone, 2024, month, day + 2) - MICROSECOND, bought).holds
    assert not answer(text, zone, at(zone, 2024, month, day + 2), bought).holds


def test_an_event_a_microsecond_before_midnight_is_of_the_day_before() -> None:
    zone, midnight = "Asia/Shanghai", at("Asia/Shanghai", 2026, 11, 22)
    text = "did: {event: bought, within: 1d}"
    assert answer(text, zone, midnight + 12 * HOUR, midnight).holds
    assert not answer(text, zone, midnight + 12 * HOUR, midnight - MICROSECOND).holds


@pytest.mark.parametrize(
    ("zone", "when", "hour"),
    [
        ("Asia/Shanghai", (2026, 11, 22, 23, 59), 23),
        ("Asia/Shanghai", (2026, 11, 22, 0, 0), 0),
        ("America/New_York", (2024, 3, 10, 3, 0), 3),  # a minute after 1:59
        ("Australia/Lord_Howe", (2024, 4, 7, 1, 45), 1),  # half an hour
        ("Asia/Kathmandu", (2024, 4, 7, 5, 14), 5),  # 45 minutes off
    ],
)
def test_an_hour_is_that_of_the_clocks_on_the_wall(zone: str, when: tuple[int, ...], hour: int) -> None:
    assert Calendar(zone).hour(at(zone, *when)) == hour


def test_the_hour_that_comes_twice_is_one_hour() -> None:
    first, again = (at("America/New_York", 2024, 11, 3, 1, 30, fold=fold) for fold in (0, 1))
    assert again - first == HOUR
    assert {Calendar("America/New_York").hour(moment) for moment in (first, again)} == {1}


def test_hours_pay_no_regard_to_the_clocks_on_the_wall() -> None:
    zone = "America/New_York"
    bought = at(zone, 2024, 3, 9, 12)
    assert answer("did: {event: bought, within: 24h}", zone, bought + HOUR, bought).changes_at == bought + 24 * HOUR


BIRTHDAY = "trait: {birthday: {anniversary: {}}}"


def test_a_birthday_begins_at_midnight_where_the_person_lives() -> None:
    now = at("Asia/Shanghai", 2026, 11, 22, 12)
    in_tokyo = Standing(traits={"birthday": "1990-11-23"}, zone="Asia/Tokyo")
    assert answer(BIRTHDAY, "Asia/Shanghai", now, standing=in_tokyo).changes_at == at("Asia/Tokyo", 2026, 11, 23)


@pytest.mark.parametrize("zone", ["Nowhere/City", "../etc/passwd", "UTC+8", "Asia", "\0", "x" * 500])
def test_a_zone_that_is_none_falls_back_to_the_tenants_and_is_counted(zone: str) -> None:
    plan = Plan({"it": read_condition(BIRTHDAY)}, "Asia/Shanghai")
    standing = Standing(traits={"birthday": "1990-11-22"}, zone=zone)
    assert plan.answer("it", Features(), standing, at("Asia/Shanghai", 2026, 11, 22)).holds
    assert plan.zones.fallbacks > 0


def test_a_zone_that_is_not_known_falls_back_and_is_not_counted() -> None:
    zones = Zones("Asia/Shanghai")
    assert zones.of("") is zones.tenant
    assert zones.fallbacks == 0


def test_a_tenant_needs_a_zone_that_is_one() -> None:
    with pytest.raises(InvalidArgument, match="'Mars/Base' is no time zone"):
        Plan({}, "Mars/Base")
