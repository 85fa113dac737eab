from hypothesis import given, settings

from services.profile.domain.calendar import Calendar
from services.profile.domain.description import describe
from services.profile.domain.portrait import Fact, Portrait
from services.profile.domain.snapshot import fingerprint
from tests.support.interactions import facts, folded, identified, moment, portrait_of, tracked

BERLIN = Calendar("Europe/Berlin", "EUR")


def test_it_says_in_words_what_a_portrait_holds() -> None:
    bought = tracked(
        "order_completed", {"total": 12.5, "currency": "EUR", "products": [{"product_id": "tea", "quantity": 2}]}
    )
    said = describe(portrait_of(bought, calendar=BERLIN, at=moment("2026-03-01T23:30:00Z")))
    assert said["interactions"] == {"": 1}
    assert said["first_seen_at"] == said["last_seen_at"] == {"": "2026-03-01T23:30:00Z"}
    assert said["spending.total"] == {"EUR": 1250}
    assert said["spending.total_by_day"] == {"EUR 2026-03-02": 1250}
    assert said["activity.days"] == {"order_completed 2026-03-02": 1}
    assert said["active_hours"] == {"Mon 00:00": 1}
    assert said["affinities.weight"]["item tea"] == 8


def test_it_tells_who_said_a_trait() -> None:
    said = describe(portrait_of(identified({"city": "上海"}, source="crm")))
    assert said["traits"] == {"city by crm": "上海"}


def test_an_empty_portrait_says_nothing_happened() -> None:
    said = describe(Portrait())
    assert (said["interactions"], said["first_seen_at"]) == ({"": 0}, {"": None})


@settings(deadline=None, max_examples=150)
@given(facts(), facts())
def test_portraits_are_described_alike_if_and_only_if_they_are_alike(some: list[Fact], others: list[Fact]) -> None:
    one, other = folded(some), folded(others)
    assert (describe(one) == describe(other)) == (fingerprint(one) == fingerprint(other))


@settings(deadline=None, max_examples=80)
@given(facts())
def test_another_zone_is_told_if_it_makes_another_portrait(sent: list[Fact]) -> None:
    one, other = folded(sent), folded(sent, BERLIN)
    assert (describe(one) == describe(other)) == (fingerprint(one) == fingerprint(other))
