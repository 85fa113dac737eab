"""Which id a person has."""

from services.identity.domain.decisions import Linked
from services.identity.domain.evidence import Evidence, Named, Sighting, combine, observed
from services.identity.domain.resolution import resolve
from services.identity.domain.standing import Case
from tests.support.identity import (
    TYPES,
    IdentityScenario,
    case_of,
    key,
    link,
    of,
    rules,
    seen,
)


def at_once(*together: str) -> dict[bytes, bytes]:
    """The people of sightings that were all recorded in one moment."""
    evidence = Evidence()
    for place, each in enumerate(together):
        named = tuple(Named(key(one), TYPES[one[0]]) for one in each.split())
        combine(evidence, observed(Sighting(str(place).encode(), place, 0, named)))
    return resolve(Case(evidence, case_of([]).decisions, rules())).people


def test_of_equals_recorded_at_once_the_smallest_key_names_the_person() -> None:
    assert at_once("d2 o9", "o7 o9", "o8 o9") == {key(one): key("o7") for one in ("o8", "o9", "d2")}


def test_the_strongest_names_the_person_though_its_key_be_greater() -> None:
    assert at_once("d1 u9") == {key("d1"): key("u9")}


def test_what_was_only_linked_by_hand_counts_as_recorded_then(identity: IdentityScenario) -> None:
    identity.given(seen("p1"), link("m1", "p1"))
    identity.then("p1 m1")
    case = case_of([Linked(b"1", 5, a=of("m1"), b=of("u1"))])
    assert resolve(case).people == {key("m1"): key("u1")}


def test_an_identifier_that_passed_on_does_not_name_whom_it_passed_to(identity: IdentityScenario) -> None:
    identity.given(seen("p1", "d1", day=1), seen("u1", "p1", day=2), seen("u2", "p1", verified="p1", day=9))
    identity.then("p1 d1 u1", "u2 p1@9")


def test_an_id_comes_back_whenever_its_founder_does(identity: IdentityScenario) -> None:
    identity.given(seen("p1", "d1"))
    identity.when(seen("d1", "u1"), seen("u1", "e1"))
    identity.then("p1 d1 e1 u1")
