"""What people are told of why somebody is one person, or two."""

from typing import Any

import pytest

from libs.people.identifiers import DEFAULT_RULES, IdentifierRules
from libs.people.spans import WHOLE
from services.identity.domain.explanation import Explanation
from services.identity.domain.person import Identifier, Person, person_in
from services.identity.domain.reasons import Explained, Findings
from services.identity.domain.sentences import Said, Sayings, Words
from tests.support.identity import (
    TYPES,
    Statement,
    block,
    case_of,
    forbid,
    inputs,
    key,
    link,
    logged_in,
    name,
    rules,
    seen,
    unlink,
)


class Asked:
    """An explanation of what was said, with each identifier's name as its value."""

    def __init__(self, *statements: Statement, by: IdentifierRules = DEFAULT_RULES) -> None:
        self._case = case_of(inputs(*statements), by)
        self._explanation = Explanation(self._case)
        self._rules = by

    def why(self, one: str, other: str = "") -> Explained:
        place = (key(other), WHOLE) if other else None
        findings = Findings(self._explanation, self._case, (key(one), WHOLE), place)
        known = {each: Identifier(each, TYPES[name(each)[0]], name(each), 0) for each in findings.keys}
        decisions, said = self._case.decisions, Said("ann", "they are twins")
        sayings = Sayings(
            dict.fromkeys(decisions.links, said),
            dict.fromkeys(decisions.forbidden, said),
            dict.fromkeys(decisions.blocked, said),
        )
        people = [self._person(one_) for one_ in findings.people]
        return findings.told(people, known, Words(known, self._rules, sayings))

    def _person(self, person: bytes) -> Person:
        case = self._case
        known = {
            each: Identifier(each, one.type, name(each), one.recorded_at) for each, one in case.evidence.seen.items()
        }
        return person_in(self._explanation.found, person, case.evidence, known, self._rules)


def told(edges: Any) -> list[tuple[str, ...]]:
    return [(name(one.one.identifier.key), name(one.other.identifier.key), one.outcome, one.reason) for one in edges]


def test_a_chain_says_what_each_step_rests_on_and_names_its_events() -> None:
    asked = Asked(seen("p1", "u1", verified="p1"), seen("d1", "p1"), seen("d1", "p1"))
    why = asked.why("d1", "u1")
    assert why.same
    assert why.summary == "device_id d1 and user_id u1 are one person: 2 steps from one to the other"
    assert told(why.chain) == [
        ("d1", "p1", "JOINED", "seen together twice"),
        ("p1", "u1", "JOINED", "seen together once, with proof"),
    ]
    assert [edge.event_ids for edge in why.chain] == [(b"event1",), (b"event0",)]


def test_a_person_is_told_strongest_identifier_first_with_what_holds_it_together() -> None:
    why = Asked(seen("d1", "p1"), seen("p1", "u1", verified="p1")).why("p1")
    assert why.summary == "phone p1 is a person of 3 identifiers, held together by 2 pieces of evidence"
    (person,) = why.people
    assert [(one.identifier.value, one.verified) for one in person.members] == [
        ("u1", False),
        ("p1", True),
        ("d1", False),
    ]
    assert person.id == key("d1") or person.id == key("p1")


def test_a_link_by_hand_tells_who_decided_and_why() -> None:
    why = Asked(seen("u1"), seen("e1"), link("u1", "e1")).why("u1", "e1")
    assert told(why.chain) == [("e1", "u1", "JOINED", "linked by ann: they are twins")]
    assert why.chain[0].event_ids == (b"event2",)


@pytest.mark.parametrize(
    ("statements", "summary", "outcome"),
    [
        (
            [seen("u1"), seen("u2")],
            "nothing that was seen leads from one to the other",
            [],
        ),
        (
            [seen("u1", "d1"), seen("u2", "d1")],
            ("between device_id d1 and user_id u2, one person may have at most 1 user_id"),
            ["TOO_MANY"],
        ),
        (
            [seen("u1", "e1"), seen("u2", "e2"), forbid("u1", "u2"), seen("e1", "e2")],
            ("user_id u1 and user_id u2 are never one person, decided by ann: they are twins"),
            ["FORBIDDEN", "FORBIDDEN"],
        ),
        (
            [seen("u1", "d1"), seen("u2", "d1"), seen("u3", "d1"), seen("u4", "d1")],
            (
                "between device_id d1 and user_id u1, device_id d1 was seen with "
                "more than the 3 people that its type allows, and joins nobody"
            ),
            ["SHARED", "SHARED"],
        ),
        (
            [seen("u1", "e1"), seen("u2", "e1"), block("e1")],
            ("between email e1 and user_id u1, email e1 names nobody, decided by ann: they are twins"),
            ["BLOCKED", "BLOCKED"],
        ),
        (
            [seen("u1", "e1"), seen("e1", "u2"), unlink("u1", "e1")],
            ("between email e1 and user_id u1, unlinked by ann: they are twins"),
            ["UNLINKED"],
        ),
    ],
)
def test_of_two_people_the_reason_why_not_is_told(
    statements: list[Statement], summary: str, outcome: list[str]
) -> None:
    why = Asked(*statements).why("u1", "u2")
    assert not why.same
    assert len(why.people) == 2
    assert why.summary == f"user_id u1 and user_id u2 are two people: {summary}"
    assert [edge.outcome for edge in why.refused] == outcome


def test_a_shared_tablet_tells_how_its_history_is_cut_and_whose_its_sessions_are() -> None:
    asked = Asked(*(logged_in(f"u{n}", "d1", session=f"s{n}") for n in range(1, 5)))
    why = asked.why("u1")
    assert [cut.reason for cut in why.cuts] == [
        (
            "device_id d1 was seen with more than the 3 people that its type allows, and joins nobody: "
            "each of its sessions is for itself"
        )
    ]
    assert [person for _, person in why.cuts[0].parts].count(key("u1")) == 1
    assert ("d1", "u1", "JOINED", "user_id u1 was logged in within that session of device_id d1") in told(why.chain)


def test_nobody_seen_with_anybody_is_a_person_alone() -> None:
    assert Asked(seen("u1")).why("u1").summary == "user_id u1 is a person alone: nothing else leads to it"


def test_an_identifier_of_a_type_that_the_rules_lack_is_named() -> None:
    without = IdentifierRules.of(1, [one for one in rules().types.values() if one.name != "device_id"])
    why = Asked(seen("u1", "d1"), by=without).why("u1")
    assert told(why.refused) == [("d1", "u1", "UNKNOWN_TYPE", "the rules have no type for people of device_id d1")]
