from typing import Any

import pytest
import yaml

from libs.people.identifiers import DEFAULT_RULES, IdentifierRules
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
