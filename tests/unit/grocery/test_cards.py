from collections import Counter

from examples.grocery.cards import cards
from libs.people.anchor import Anchoring
from libs.people.identifiers import DEFAULT_RULES, Claimed
from libs.people.keys import Keyring

ANCHORING = Anchoring(DEFAULT_RULES, Keyring(b"secret"), "US")


def test_every_invented_identifier_can_name_somebody() -> None:
    claims = [
        Claimed(type_, value)
        for card in cards().values()
        for type_ in ("member_no", "phone", "openid", "device_id")
        if (value := getattr(card, type_)) is not None
    ]
    identified, refused = ANCHORING.identify(claims)
    assert refused == []
    assert len(identified) == len(claims) > 2_500


def test_phones_and_openids_are_one_household_s_and_some_devices_are_borrowed() -> None:
    every = cards().values()
    for type_ in ("member_no", "phone", "openid"):
        values = [value for card in every if (value := getattr(card, type_)) is not None]
        assert len(values) == len(set(values))
    people = Counter(card.device_id for card in every if card.device_id is not None)
    assert 10 < sum(1 for times in people.values() if times > 1) < 100
