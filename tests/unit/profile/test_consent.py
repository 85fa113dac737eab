from itertools import permutations
from typing import Any

import pytest

from services.profile.domain.consent import ConsentStanding, standing_consents
from services.profile.domain.portrait import Fact
from tests.support.interactions import DAY, NOON, fact, folded, moment, tracked


def consenting(said: Any, at: int = NOON, name: str = "m") -> Fact:
    return fact(tracked("preferences_saved", consents=said), at, name)


def sms(state: str, **rest: Any) -> list[dict[str, Any]]:
    return [{"purpose": "marketing", "channel": "sms", "state": state, **rest}]


def standing(*facts: Fact) -> tuple[ConsentStanding, ...]:
    return standing_consents(folded(facts).consents)


def test_the_newest_word_stands_whichever_comes_last() -> None:
    said = [
        consenting(sms("denied"), NOON - DAY, "1"),
        consenting(sms("granted"), NOON, "2"),
        consenting(sms("withdrawn"), NOON - 2 * DAY, "3"),
    ]
    for order in permutations(said):
        (consent,) = standing(*order)
        assert (consent.state, consent.occurred_at, consent.event_id) == ("granted", NOON, said[1].event_id)


@pytest.mark.parametrize("state", ["denied", "withdrawn"])
def test_of_two_words_of_one_moment_the_opt_out_stands(state: str) -> None:
    yes, no = consenting(sms("granted"), NOON, "y"), consenting(sms(state), NOON, "n")
    assert standing(yes, no)[0].state == standing(no, yes)[0].state == state


def test_within_one_interaction_too_the_opt_out_stands() -> None:
    assert standing(consenting(sms("withdrawn") + sms("granted")))[0].state == "withdrawn"


def test_the_shorthand_is_about_marketing() -> None:
    email, text = standing(consenting({"sms": True, "email": False}))
    assert (text.purpose, text.channel, text.address, text.state) == ("marketing", "sms", "", "granted")
    assert (email.channel, email.state) == ("email", "withdrawn")


def test_addresses_and_purposes_stand_for_themselves() -> None:
    said = sms("granted") + sms("denied", address="+8613800138000") + sms("granted", purpose="service")
    assert [(c.purpose, c.address, c.state) for c in standing(consenting(said))] == [
        ("marketing", "", "granted"),
        ("marketing", "+8613800138000", "denied"),
        ("service", "", "granted"),
    ]


def test_a_permission_ends_when_it_says_in_the_tenants_zone() -> None:
    (until,) = standing(consenting(sms("granted", expires_at="2026-06-01", basis="form 7")))
    assert until.expires_at == moment("2026-06-01T00:00:00+08:00")
    assert until.basis == "form 7"
    assert standing(consenting(sms("granted")))[0].expires_at is None


def test_an_unreadable_end_makes_no_permission_last_and_no_opt_out_end() -> None:
    assert standing(consenting(sms("granted", expires_at="some day")))[0].expires_at == NOON
    assert standing(consenting(sms("denied", expires_at="some day")))[0].expires_at is None
