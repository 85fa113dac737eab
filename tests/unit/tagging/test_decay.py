"""Scores by evidence: a function of what happened, whatever the order, the anchors and the day it is read on."""

import random
from collections import Counter
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from libs.conditions.calendar import Calendar
from libs.conditions.event import Event
from libs.conditions.features import Features, decode, encode
from libs.conditions.numbers import SCALE
from libs.conditions.plan import Plan
from services.tagging.domain.decay import FORGOTTEN, changes_on, contributions, decay, scored, squashed
from services.tagging.domain.names import DAY
from services.tagging.domain.score import ByEvidence, Days, Level, Places, Scored
from tests.unit.tagging.test_score_reading import read

ZONE = "Asia/Shanghai"
CALENDAR = Calendar(ZONE)
TODAY = 20_500
START = CALENDAR.start_of(TODAY)
NAMES = ("viewed", "bought", "complained")

lengths = st.sampled_from([1, 2, 7, 30, 180, 400])
weights = st.sampled_from([SCALE, 5_000, 1, 20 * SCALE, -SCALE, -5_000, -1, 333])
policies = st.builds(
    lambda *drawn: policy(*drawn),  # noqa: PLW0108  it is defined below
    lengths,
    st.lists(weights, min_size=3, max_size=3),
    st.sampled_from([1, 1, 2, 5]),
    st.sampled_from([SCALE, 3 * SCALE, 777]),
    st.sets(st.sampled_from([1, 500, 2_000, 5_000, 5_001, 9_000, 9_999]), max_size=3),
)
ages = st.one_of(st.integers(0, 40), st.sampled_from([0, 1, 100, 300, 397, 398, 399, 400, 401, 900]))
numbers = st.dictionaries(ages.map(lambda age: TODAY - age), st.integers(1, 4), max_size=6)
kepts = st.lists(numbers, min_size=3, max_size=3)
events = st.lists(st.tuples(st.sampled_from(NAMES), ages, st.integers(0, 23)), max_size=12)


def policy(half_life: int, weighed: Sequence[int], needed: int, half_at: int, levels: set[int]) -> ByEvidence:
    entries = [{"did": name, "weight": weight / SCALE} for name, weight in zip(NAMES, weighed, strict=True)]
    document = {"half_life": f"{half_life}d", "evidence": entries, "needed": needed, "half_at": half_at / SCALE}
    score = read(str(document))
    assert isinstance(score, ByEvidence)
    return ByEvidence(
        score.half_life,
        score.evidence,
        score.needed,
        score.half_at,
        tuple(Level(f"from {least}", least) for least in sorted(levels, reverse=True)),
    )


def happened(drawn: Sequence[tuple[str, int, int]]) -> list[Event]:
    return [
        Event(index.to_bytes(16, "big"), name, CALENDAR.start_of(TODAY - age) + hour * DAY // 24)
        for index, (name, age, hour) in enumerate(drawn)
    ]


def kept(score: ByEvidence, history: Sequence[Event], chance: random.Random) -> list[Days]:
    """Folded in some order over some anchors, and stored between."""
    plan = Plan({"score:vip": score.evidence[0].did, **score.conditions("vip")}, ZONE)
    anchors = [Features() for _ in range(3)]
    for event in chance.sample(history, len(history)):
        which = chance.randrange(3)
        plan.fold(anchors[which], event)
        anchors[which] = decode(encode(anchors[which]))
    return Places(score, ZONE).days(plan.combine(anchors).sections)


def naive(score: ByEvidence, history: Sequence[Event], day: int) -> Scored:
    """Event by event, as it is meant."""
    raw, pieces = 0, 0
    for one in score.evidence:
        for event in history:
            age = day - CALENDAR.day(event.occurred_at)
            if event.name in one.did.events and 0 <= age < FORGOTTEN:
                raw += one.weight * decay(score.half_life)[age]
                pieces += 1
    value = squashed(raw, score.half_at) if pieces >= score.needed else None
    level = next((one.name for one in score.levels if value is not None and value >= one.least), "")
    return Scored(value, level, pieces)


@given(policies, events, st.randoms(use_true_random=False), st.integers(0, 420))
def test_a_score_is_the_same_whatever_the_order_the_batches_and_the_anchors(
    score: ByEvidence, drawn: list[tuple[str, int, int]], chance: random.Random, later: int
) -> None:
    history = happened(drawn)
    assert scored(score, kept(score, history, chance), TODAY + later) == naive(score, history, TODAY + later)


@given(policies, events, events, st.sets(st.integers(0, 11)), st.randoms(use_true_random=False))
def test_what_was_taken_back_never_was(
    score: ByEvidence,
    of_one: list[tuple[str, int, int]],
    of_other: list[tuple[str, int, int]],
    taken_back: set[int],
    chance: random.Random,
) -> None:
    one, other = happened(of_one), happened(of_other)
    left = [event for index, event in enumerate(other) if index not in taken_back]
    plan, stands, anew = Plan(score.conditions("vip"), ZONE), Features(), Features()
    for features, those in ((stands, one), (anew, left)):  # what is taken back lets its anchor be folded anew
        for event in chance.sample(those, len(those)):
            plan.fold(features, event)
    days = Places(score, ZONE).days(plan.combine([anew, stands]).sections)
    assert scored(score, days, TODAY) == naive(score, one + left, TODAY)


@given(policies, policies, events, st.randoms(use_true_random=False))
def test_another_policy_on_the_same_days_is_as_if_it_had_stood_from_the_beginning(
    former: ByEvidence, score: ByEvidence, drawn: list[tuple[str, int, int]], chance: random.Random
) -> None:
    history = happened(drawn)
    assert scored(score, kept(former, history, chance), TODAY) == naive(score, history, TODAY)


@given(policies, kepts)
def test_the_score_is_the_formula(score: ByEvidence, days: list[Days]) -> None:
    points = sum(
        one.weight / SCALE * number * 2 ** (-(TODAY - day) / score.half_life)
        for one, by_day in zip(score.evidence, days, strict=True)
        for day, number in by_day.items()
        if TODAY - day < FORGOTTEN
    )
    found = scored(score, days, TODAY).value
    assert found is None or abs(found / SCALE - max(0, 1 - 2 ** (-points / (score.half_at / SCALE)))) < 2 / SCALE
    assert abs(sum(one.points for one in contributions(score, days, TODAY)) - points) < 1e-4


def sides(score: ByEvidence, days: Sequence[Days], day: int, asked: set[int]) -> tuple[object, ...]:
    found = scored(score, days, day)
    value = -1 if found.value is None else found.value
    return (found.level, *(value >= side for side in sorted(asked)))


@given(policies, kepts, st.sets(st.sampled_from([1, 3_000, 5_000, 8_000]), max_size=2), st.integers(-3, 200))
def test_nothing_changes_before_the_day_that_was_told(
    score: ByEvidence, days: list[Days], asked: set[int], later: int
) -> None:
    today = TODAY + later
    told = changes_on(score, days, today, asked)
    assert told is None or told > today
    now = sides(score, days, today, asked)
    for day in range(today, today + 800 if told is None else told):
        assert sides(score, days, day, asked) == now


@given(policies, kepts)
def test_going_from_told_day_to_told_day_comes_to_an_end_and_is_soon_done(score: ByEvidence, days: list[Days]) -> None:
    day, looks = TODAY, 0
    while (told := changes_on(score, days, day, ())) is not None:
        day, looks = told, looks + 1
        assert looks <= 60, "who has a few pieces of evidence must not be looked at every day"
    assert day <= TODAY + FORGOTTEN


def test_the_day_told_is_the_very_day_on_which_the_level_falls() -> None:
    score = policy(30, (SCALE, SCALE, SCALE), 1, SCALE, {2_000, 6_000})
    days: list[Days] = [{TODAY: 3}, {TODAY - 10: 2}, {}]
    levels = [scored(score, days, TODAY + later).level for later in range(FORGOTTEN)]
    falls = [later for later in range(1, FORGOTTEN) if levels[later] != levels[later - 1]]
    assert [levels[0], *(levels[later] for later in falls)] == ["from 6000", "from 2000", ""]
    told: list[int] = []
    while len(told) < 2:
        told.append(changes_on(score, days, told[-1] if told else TODAY, ()) or 0)
    assert told == [TODAY + later for later in falls]


def test_after_three_ignored_discount_pushes_price_sensitive_falls() -> None:
    score = read(
        "{half_life: 90d, evidence: [{did: coupon_redeemed, weight: 1}],"
        " feedback: {ignored: -0.5}, levels: {strong: 0.7, some: 0.4}}"
    )
    assert isinstance(score, ByEvidence)
    plan, features = Plan(score.conditions("vip"), ZONE), Features()
    levels: list[str] = []

    def happens(name: str, tags: list[str]) -> None:
        event = Event(len(levels).to_bytes(16, "big"), name, START, {"tags": tags})
        plan.fold(features, event)
        levels.append(scored(score, Places(score, ZONE).days(features.sections), TODAY).level)

    for _ in range(2):
        happens("coupon_redeemed", [])
    happens("message_ignored", ["loyal"])
    for _ in range(3):
        happens("message_ignored", ["loyal", "vip"])
    assert levels == ["some", "strong", "strong", "some", "some", ""]


def test_evidence_of_tomorrow_waits_for_its_day() -> None:
    score = policy(30, (SCALE, SCALE, SCALE), 1, SCALE, {2_000})
    days: list[Days] = [{TODAY + 1: 1}, {}, {}]
    assert scored(score, days, TODAY) == Scored(None, "", 0)
    assert changes_on(score, days, TODAY, ()) == TODAY + 1
    assert scored(score, days, TODAY + 1).level == "from 2000"


def test_a_long_past_takes_no_longer_than_its_days() -> None:
    score = policy(400, (SCALE, -SCALE, 1), 1, SCALE, {2_000})
    days: list[Days] = [Counter(range(TODAY - 398, TODAY + 1)) for _ in range(3)]
    assert changes_on(score, days, TODAY, ()) is not None
