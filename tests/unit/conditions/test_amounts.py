"""Cases that chance meets too seldom."""

import pytest

from libs.conditions.event import Event
from libs.conditions.features import Features, decode, encode
from libs.conditions.plan import Plan
from libs.conditions.standing import NOBODY, Answer
from libs.conditions.windows import HOUR
from libs.conditions.yaml_form import read_condition

DAY = 24 * HOUR
NOON = 1_795_320_000_000_000  # 2026-11-22T04:00:00Z, noon in Shanghai
MIDNIGHT = NOON - 12 * HOUR


def event(name: str, at: int, **properties: object) -> Event:
    return Event(id=at.to_bytes(16, "big"), name=name, occurred_at=at, properties=properties)


def answer(text: str, *events: Event, now: int = NOON) -> Answer:
    plan, features = Plan({"it": read_condition(text)}, "Asia/Shanghai"), Features()
    for one in events:
        plan.fold(features, one)
        features = decode(encode(features))
    return plan.answer("it", features, NOBODY, now)


def test_the_same_package_twice_is_not_two_packages_once() -> None:
    text = "did: {event: viewed, per: package, times: 2, within: 7d}"
    assert not answer(text, event("viewed", NOON, package="a"), event("viewed", NOON - DAY, package="b")).holds
    twice = answer(text, event("viewed", NOON, package="a"), event("viewed", NOON - DAY, package="a"))
    assert (twice.holds, twice.value, twice.key) == (True, 2, "a")
    assert twice.changes_at == MIDNIGHT - DAY + 7 * DAY


def test_a_value_that_is_seen_no_more_keeps_no_small_number_of_times() -> None:
    text = "did: {event: viewed, per: package, times: {at_most: 2}, within: 2h}"
    assert answer(text, event("viewed", NOON - HOUR, package="a")).changes_at == NOON + HOUR


def test_seven_days_are_calendar_days_with_today_among_them() -> None:
    text = "did: {event: bought, within: 7d}"
    assert answer(text, event("bought", MIDNIGHT - 6 * DAY)).changes_at == MIDNIGHT + DAY
    assert not answer(text, event("bought", MIDNIGHT - 6 * DAY - 1)).holds


def test_hours_are_exact_to_the_microsecond() -> None:
    text = "did: {event: bought, within: 36h}"
    assert answer(text, event("bought", NOON - 36 * HOUR + 1)).changes_at == NOON + 1
    assert not answer(text, event("bought", NOON - 36 * HOUR)).holds


def test_an_event_ahead_of_the_clock_counts_at_once() -> None:
    assert answer("did: {event: bought, within: 1d}", event("bought", MIDNIGHT + DAY), now=NOON).holds


def test_lines_that_meet_the_clauses_are_summed_and_others_are_not() -> None:
    text = "did: {event: bought, each: {of: lines, where: [{kind: tea}]}, sum: {of: amount, at_least: 10}}"
    lines = [{"kind": "tea", "amount": 4.5}, {"kind": "tea", "amount": "5.5"}, {"kind": "milk", "amount": 90}]
    assert answer(text, event("bought", NOON, lines=lines)).value == 10


def test_an_average_is_of_what_can_be_read() -> None:
    text = "did: {event: rated, average: {of: stars, at_most: 2.5}, within: 30d}"
    stars = [3, 2, "many", None]
    rated = [event("rated", NOON - n, stars=one) for n, one in enumerate(stars)]
    assert (answer(text, *rated).holds, answer(text, *rated).value) == (True, 2.5)


def test_nothing_is_no_average_but_a_count_of_nought() -> None:
    assert not answer("did: {event: rated, average: {of: stars, at_most: 5}}").holds
    assert answer("did: {event: rated, times: {at_most: 0}}").holds


def test_a_sum_beyond_sixty_four_bits_is_stored_and_read_again() -> None:
    most = 900_719_925_474
    many = [event("bought", NOON - n, total=most) for n in range(1100)]
    assert answer("did: {event: bought, sum: {of: total}}", *many).value == 1100 * most


@pytest.mark.parametrize("value", [True, "1", [2, "1"]])
def test_one_is_neither_true_nor_a_text(value: object) -> None:
    assert not answer("did: {event: bought, where: [{gift: 1}]}", event("bought", NOON, gift=value)).holds
    assert answer("did: {event: bought, where: [{gift: 1}]}", event("bought", NOON, gift=[value, 1.0])).holds
