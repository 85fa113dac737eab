from typing import Any

from services.profile.domain.portrait import Portrait
from services.profile.domain.sightings import SIGHTINGS_KEPT, SeenIdentifier, seen_identifiers
from services.profile.domain.view import as_sent
from tests.support.interactions import DAY, NOON, fact, folded, portrait_of, tracked


def named(identifiers: Any) -> dict[str, Any]:
    return tracked("app_opened", identifiers=identifiers)


def seen(portrait: Portrait) -> tuple[SeenIdentifier, ...]:
    return seen_identifiers(portrait.seen, portrait.proven, as_sent)


def test_every_form_of_an_identifier_is_seen() -> None:
    identifiers = {"phone": ["138", 139], "member_no": 7, "openid": "o6", "email": None}
    found = {(one.type, one.value) for one in seen(portrait_of(named(identifiers)))}
    assert found == {("phone", "138"), ("phone", "139"), ("member_no", "7"), ("openid", "o6")}


def test_proof_once_given_is_remembered() -> None:
    proof = fact(named([{"type": "phone", "value": "138", "verified": True}]), NOON - DAY, "1")
    later = fact(named({"phone": "138"}), NOON, "2")
    (phone,) = seen(folded([later, proof]))
    assert phone == SeenIdentifier("phone", "138", True, NOON)


def test_proof_is_remembered_when_the_sight_that_brought_it_is_forgotten() -> None:
    proof = fact(named([{"type": "phone", "value": "138", "verified": True}]), NOON - DAY, "proof")
    crowd = [fact(named({"device_id": f"d{i}"}), NOON, str(i)) for i in range(SIGHTINGS_KEPT)]
    again = fact(named({"phone": "138"}), NOON + 1, "again")
    for order in ([proof, *crowd, again], [again, *crowd, proof]):
        assert next(one for one in seen(folded(order)) if one.type == "phone").verified


def test_the_last_seen_are_kept_where_there_are_too_many() -> None:
    sent = [fact(named({"device_id": f"d{i}"}), NOON + i, str(i)) for i in range(SIGHTINGS_KEPT + 5)]
    assert [one.value for one in seen(folded(sent))] == [f"d{i}" for i in range(SIGHTINGS_KEPT + 4, 4, -1)]


def test_spellings_of_one_identifier_are_shown_as_one_and_junk_is_not_shown() -> None:
    portrait = portrait_of(
        named([{"type": "phone", "value": "138 0", "verified": True}]),
        named({"phone": "1380"}),
        named({"phone": "null"}),
    )

    def normalise(type_: str, value: str) -> str | None:
        return None if value == "null" else value.replace(" ", "")

    (phone,) = seen_identifiers(portrait.seen, portrait.proven, normalise)
    assert (phone.value, phone.verified) == ("1380", True)
