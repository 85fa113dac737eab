from typing import Any

import pytest
import yaml

from libs.people.identifiers import DAY, DEFAULT_RULES, IdentifierRules, PerPerson
from libs.runtime.clock import SECOND
from libs.runtime.errors import InvalidArgument

DOCUMENT = """
version: 3
types:
  loyalty_card: {strength: strong, form: caseless, priority: 90, blocked: ["999"]}
  phone: {strength: contact, form: phone}
  shop: {strength: strong, form: exact, kind: outlet}
"""


def document(**changes: Any) -> Any:
    return {**yaml.safe_load(DOCUMENT), **changes}


def test_rules_are_read_from_a_document() -> None:
    rules = IdentifierRules.from_document(document())
    assert rules.version == 3
    assert list(rules.types) == ["loyalty_card", "phone", "shop"]
    card, phone, shop = rules.types.values()
    assert (card.kind, card.strength, card.priority, card.form) == ("person", "strong", 90, "caseless")
    assert card.blocked == {"999"}
    assert (phone.priority, phone.form, phone.blocked) == (0, "phone", frozenset())
    assert shop.kind == "outlet"


@pytest.mark.parametrize(
    ("wrong", "path"),
    [
        (None, ""),
        ([], ""),
        ({"version": 1}, "types"),
        (document(extra=1), "extra"),
        (document(version=True), "version"),
        (document(version="3"), "version"),
        (document(version=0), "version"),
        (document(version=2**31), "version"),
        (document(types=[]), "types"),
        (document(types={}), "types"),
        (document(types={"Phone": {}}), "types.Phone"),
        (document(types={True: {}}), "types.True"),
        (document(types={"a\0": {}}), "types.a\0"),
        (document(types={"phone": None}), "types.phone"),
        (document(types={"phone": {"form": "phone"}}), "types.phone.strength"),
        (document(types={"phone": {"strength": "contact"}}), "types.phone.form"),
        (document(types={"phone": {"strength": "mighty", "form": "phone"}}), "types.phone.strength"),
        (document(types={"phone": {"strength": [], "form": "phone"}}), "types.phone.strength"),
        (document(types={"phone": {"strength": "weak", "form": "fax"}}), "types.phone.form"),
        (document(types={"phone": {"strength": "weak", "form": "phone", "kind": "dog"}}), "types.phone.kind"),
        (document(types={"phone": {"strength": "weak", "form": "phone", "priority": 1.5}}), "types.phone.priority"),
        (document(types={"phone": {"strength": "weak", "form": "phone", "blocked": "1"}}), "types.phone.blocked"),
        (document(types={"phone": {"strength": "weak", "form": "phone", "blocked": [1]}}), "types.phone.blocked[0]"),
        (document(types={"phone": {"strength": "weak", "form": "phone", "color": 1}}), "types.phone.color"),
    ],
)
def test_a_mistake_is_named_by_its_path(wrong: Any, path: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        IdentifierRules.from_document(wrong)
    assert caught.value.field == path


LIMITED = """
version: 4
shared: apart
types:
  unionid: {strength: strong, form: exact, per_person: 1, matches: ["o*"]}
  openid: {strength: strong, form: exact, per_person: 5, parent: unionid, blocked_patterns: ["test-*", "*-old"]}
  phone: {strength: contact, form: phone, per_person: {at_most: 3, within: 365d}, people: 5}
  cookie: {strength: weak, form: exact, people: 3, validity: 36h}
  name_born: {strength: strong, form: exact, of: [phone, traits.last_name]}
"""


def limited(type_: str, **changes: Any) -> Any:
    types = yaml.safe_load(LIMITED)["types"]
    return {"version": 4, "types": {**types, type_: {**types[type_], **changes}}}


def test_what_a_type_may_join_is_read_from_the_document() -> None:
    rules = IdentifierRules.from_document(yaml.safe_load(LIMITED))
    assert rules.shared == "apart"
    unionid, openid, phone, cookie, name_born = rules.types.values()
    assert (unionid.per_person, unionid.matches) == (PerPerson(1), ("o*",))
    assert (openid.parent, openid.blocked_patterns) == ("unionid", ("test-*", "*-old"))
    assert (phone.per_person, phone.people) == (PerPerson(3, 365 * DAY), 5)
    assert (cookie.people, cookie.validity) == (3, 36 * 3600 * SECOND)
    assert name_born.parts == ("phone", "traits.last_name")


@pytest.mark.parametrize(
    ("wrong", "path"),
    [
        ({**document(), "shared": "nobody"}, "shared"),
        (limited("openid", per_person=0), "types.openid.per_person"),
        (limited("openid", per_person=10_001), "types.openid.per_person"),
        (limited("openid", per_person=True), "types.openid.per_person"),
        (limited("phone", per_person={"within": "1d"}), "types.phone.per_person.at_most"),
        (limited("phone", per_person={"at_most": 1, "within": "1w"}), "types.phone.per_person.within"),
        (limited("phone", per_person={"at_most": 1, "for": "1d"}), "types.phone.per_person.for"),
        (limited("phone", people=0), "types.phone.people"),
        (limited("openid", people=2), "types.openid.people"),
        (limited("cookie", validity=5), "types.cookie.validity"),
        (limited("openid", parent="fax"), "types.openid.parent"),
        (limited("openid", parent="openid"), "types.openid.parent"),
        (limited("unionid", parent="openid"), "types.unionid.parent"),
        (limited("openid", parent=["unionid"]), "types.openid.parent"),
        (limited("openid", matches="o*"), "types.openid.matches"),
        (limited("openid", blocked_patterns=[1]), "types.openid.blocked_patterns[0]"),
        (limited("name_born", of=["phone"]), "types.name_born.of"),
        (limited("name_born", of=["phone", "phone"]), "types.name_born.of"),
        (limited("name_born", of=["phone", "last_name"]), "types.name_born.of[1]"),
        (limited("cookie", of=["phone", "name_born"]), "types.cookie.of[1]"),
    ],
)
def test_a_limit_that_can_not_be_is_named_by_its_path(wrong: Any, path: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        IdentifierRules.from_document(wrong)
    assert caught.value.field == path


def test_parents_in_a_circle_are_shown() -> None:
    with pytest.raises(InvalidArgument, match="unionid → openid → unionid"):
        IdentifierRules.from_document(limited("unionid", parent="openid"))


def test_an_unknown_choice_is_answered_with_the_known_ones() -> None:
    with pytest.raises(InvalidArgument, match="strong, contact, weak"):
        IdentifierRules.from_document(document(types={"phone": {"strength": "mighty", "form": "phone"}}))


def test_the_shipped_rules_are_version_zero_and_know_every_channel() -> None:
    assert DEFAULT_RULES.version == 0
    assert {name for name, type_ in DEFAULT_RULES.types.items() if type_.kind == "person"} == {
        "user_id",
        "member_no",
        "unionid",
        "external_userid",
        "openid",
        "phone",
        "email",
        "device_id",
        "anonymous_id",
        "cookie",
        "push_token",
    }
    assert {type_.kind for type_ in DEFAULT_RULES.types.values()} == {"person", "outlet", "household", "account"}


def test_rules_can_not_be_changed_behind_their_version() -> None:
    with pytest.raises(TypeError):
        DEFAULT_RULES.types["fax"] = DEFAULT_RULES.types["phone"]  # type: ignore[index]


def test_no_two_shipped_types_rank_the_same() -> None:
    ranks = {type_.rank for type_ in DEFAULT_RULES.types.values()}
    assert len(ranks) == len(DEFAULT_RULES.types)


def test_so_many_types_or_patterns_that_reading_anything_would_take_long_are_refused() -> None:
    plain = {"strength": "strong", "form": "exact"}
    line = {f"t{n}": {**plain, **({"parent": f"t{n - 1}"} if n else {})} for n in range(201)}
    with pytest.raises(InvalidArgument, match="201 identifier types; 200 are the most"):
        IdentifierRules.from_document(document(types=line))
    del line["t200"]
    assert len(IdentifierRules.from_document(document(types=line)).types) == 200
    patterns = [f"*{n}" for n in range(501)]
    wrong = {"a": {**plain, "matches": patterns}, "b": {**plain, "blocked_patterns": patterns}}
    with pytest.raises(InvalidArgument, match="1,002 patterns; 1,000 are the most"):
        IdentifierRules.from_document(document(types=wrong))
