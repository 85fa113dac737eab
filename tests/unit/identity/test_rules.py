"""A tenant's rules come in versions, of which each is for good."""

import random
from typing import Any

import pytest

from libs.people.identifiers import DAY, DEFAULT_RULES, IdentifierRules, PerPerson
from libs.runtime.errors import InvalidArgument
from services.identity.domain.rules import (
    HIGHEST_CHOSEN,
    HOUR,
    RulesHistory,
    RulesPublished,
    decide,
    differences,
    evolve,
)
from tests.support.identity import rules


def history(*versions: IdentifierRules) -> RulesHistory:
    known = RulesHistory()
    for one in versions:
        known = evolve(known, RulesPublished(one))
    return known


def test_nobody_can_choose_the_last_version_that_there_can_be() -> None:
    with pytest.raises(InvalidArgument, match="so that others can follow") as caught:
        decide(history(rules(2026112201)), rules(2**31 - 1))
    assert caught.value.field == "version"
    highest = rules(HIGHEST_CHOSEN)
    assert decide(history(rules(2026112201)), highest)
    assert decide(history(highest), rules(HIGHEST_CHOSEN + 1))


def test_before_anything_is_published_the_shipped_rules_stand() -> None:
    assert RulesHistory().current is DEFAULT_RULES


def test_the_newest_version_stands_in_whichever_order_they_are_told() -> None:
    versions = [rules(version) for version in range(1, 6)]
    for seed in range(10):
        told = random.Random(seed).sample([*versions, *versions], 10)
        known = history(*told)
        assert known == RulesHistory((DEFAULT_RULES, *versions))
        assert known.current == versions[-1]


def test_what_stands_already_is_no_news() -> None:
    assert decide(history(rules(1)), rules(1)) == []
    assert decide(history(rules(1)), rules(2)) == [RulesPublished(rules(2))]


@pytest.mark.parametrize("version", [0, 1, 2])
def test_a_version_is_never_given_another_meaning(version: int) -> None:
    with pytest.raises(InvalidArgument, match="must be greater than 2, which stands") as caught:
        decide(history(rules(1), rules(2)), rules(version, shared="apart"))
    assert caught.value.field == "version"


@pytest.mark.parametrize(("field", "value"), [("kind", "household"), ("form", "exact")])
def test_a_type_never_changes_what_its_keys_are_made_of_not_even_after_it_was_gone(field: str, value: str) -> None:
    without = IdentifierRules.of(1, [type_ for type_ in rules().types.values() if type_.name != "member_no"])
    with pytest.raises(InvalidArgument, match="in version 0 and can't change: name a new type") as caught:
        decide(history(without), rules(2, member_no={field: value}))
    assert caught.value.field == f"types.member_no.{field}"


@pytest.mark.parametrize(
    ("type_", "changes", "told"),
    [
        ("openid", {"per_person": PerPerson(1)}, "openid.per_person: 5 → 1"),
        ("phone", {"per_person": PerPerson(3, 36 * HOUR)}, "phone.per_person: 3 within 365d → 3 within 36h"),
        ("phone", {"per_person": None}, "phone.per_person: 3 within 365d → none"),
        ("cookie", {"validity": 30 * DAY}, "cookie.validity: 400d → 30d"),
        ("device_id", {"people": 1}, "device_id.people: 3 → 1"),
        ("openid", {"parent": ""}, "openid.parent: unionid → none"),
        ("email", {"blocked": frozenset({"b@b.cn", "a@a.cn"})}, "email.blocked: none → a@a.cn, b@b.cn"),
        ("email", {"matches": ("*@shop.cn", "*@a.cn")}, "email.matches: none → *@shop.cn, *@a.cn"),
        ("user_id", {"parts": ("phone", "traits.name")}, "user_id.of: none → phone, traits.name"),
        ("user_id", {"priority": 1}, "user_id.priority: 100 → 1"),
    ],
)
def test_a_difference_is_told_as_the_document_writes_it(type_: str, changes: dict[str, Any], told: str) -> None:
    assert list(differences(DEFAULT_RULES, rules(1, "by_session", **{type_: changes}))) == [told]


def test_types_that_come_and_go_are_told_and_what_becomes_of_shared_ones() -> None:
    fewer = IdentifierRules.of(1, [DEFAULT_RULES.types["phone"]])
    more = IdentifierRules.of(2, [DEFAULT_RULES.types["phone"], DEFAULT_RULES.types["user_id"]], "apart")
    assert list(differences(fewer, more)) == ["shared: by_session → apart", "user_id: is new, strong"]
    assert "user_id: no longer joins anybody" in list(differences(more, fewer))
    assert list(differences(more, more)) == []
