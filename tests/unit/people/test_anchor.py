import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.people.anchor import Anchoring
from libs.people.identifiers import DEFAULT_RULES, Claimed, Identified, IdentifierRules
from libs.people.keys import Keyring
from libs.runtime.errors import InvalidArgument

KEYRING = Keyring(b"secret")


@pytest.fixture(scope="module")
def anchoring() -> Anchoring:
    return Anchoring(DEFAULT_RULES, KEYRING)


def claimed(**values: str) -> list[Claimed]:
    return [Claimed(type_, value) for type_, value in values.items()]


def anchor_type(anchoring: Anchoring, claims: list[Claimed]) -> str | None:
    identified, _ = anchoring.identify(claims)
    anchor = anchoring.anchor(identified)
    return anchor.type.name if anchor else None


def test_an_identifier_is_normalised_and_keyed(anchoring: Anchoring) -> None:
    identified, refused = anchoring.identify([Claimed("phone", "138 0013 8000", verified=True)])
    key = KEYRING.key("person", "phone", "+8613800138000")
    assert identified == [Identified(DEFAULT_RULES.types["phone"], "+8613800138000", True, key)]
    assert refused == []


def test_a_key_names_the_kind_of_its_subject(anchoring: Anchoring) -> None:
    identified, _ = anchoring.identify(claimed(outlet_id="SH-01"))
    assert identified[0].key == KEYRING.key("outlet", "outlet_id", "sh-01")


def test_strong_goes_before_contact_before_weak(anchoring: Anchoring) -> None:
    all_three = claimed(device_id="d1", phone="13800138000", openid="o6_x")
    assert anchor_type(anchoring, all_three) == "openid"
    assert anchor_type(anchoring, all_three[:2]) == "phone"
    assert anchor_type(anchoring, all_three[:1]) == "device_id"


def test_priority_decides_inside_a_strength(anchoring: Anchoring) -> None:
    assert anchor_type(anchoring, claimed(openid="o6_x", user_id="u1", unionid="n1")) == "user_id"
    assert anchor_type(anchoring, claimed(email="li@qq.com", phone="13800138000")) == "phone"


def test_of_several_values_the_verified_one_wins_then_the_smallest_key(anchoring: Anchoring) -> None:
    numbers = ["13800138000", "13900139000", "13700137000"]
    identified, _ = anchoring.identify([Claimed("phone", number) for number in numbers])
    smallest = anchoring.anchor(identified)
    assert smallest is not None
    assert smallest.key == min(each.key for each in identified)
    other = next(each for each in identified if each != smallest)
    verified, _ = anchoring.identify([Claimed("phone", other.value, verified=True)])
    assert anchoring.anchor([*identified, *verified]) == verified[0]


def test_a_customer_in_a_shop_is_the_subject_and_the_shop_is_not(anchoring: Anchoring) -> None:
    assert anchor_type(anchoring, claimed(outlet_id="SH-01", household_id="7", cookie="c1")) == "cookie"
    assert anchor_type(anchoring, claimed(outlet_id="SH-01")) == "outlet_id"


def test_a_refused_identifier_does_not_block_the_others(anchoring: Anchoring) -> None:
    identified, refused = anchoring.identify(
        [Claimed("user_id", "null"), Claimed("fax", "123"), Claimed("phone", "12"), Claimed("cookie", "c1")]
    )
    assert [each.type.name for each in identified] == ["cookie"]
    assert [(each.type, each.value, each.reason) for each in refused] == [
        ("user_id", "null", "PLACEHOLDER"),
        ("fax", "123", "UNKNOWN_TYPE"),
        ("phone", "12", "MALFORMED"),
    ]


def test_without_a_usable_identifier_there_is_no_anchor(anchoring: Anchoring) -> None:
    assert anchoring.anchor([]) is None
    assert anchor_type(anchoring, claimed(user_id="undefined", device_id="0")) is None


def test_a_whole_number_counts_as_its_digits(anchoring: Anchoring) -> None:
    as_number, _ = anchoring.identify([Claimed("member_no", 2375)])
    as_text, _ = anchoring.identify([Claimed("member_no", "2375")])
    assert as_number == as_text


@pytest.mark.parametrize("value", [True, None, 1.0, [], {}, b"x", pytest.param(10**6000, id="huge")])
def test_what_is_neither_text_nor_whole_number_is_refused(anchoring: Anchoring, value: Any) -> None:
    anchoring.identify([Claimed("user_id", 1)])  # equal to True and 1.0, and remembered
    identified, refused = anchoring.identify([Claimed("user_id", value)])
    assert identified == []
    assert refused[0].reason == "MALFORMED"


@pytest.mark.parametrize(
    "value",
    ["x" * 10_000_000, "\ud800" * 10, "a\0b", "\n", "上" * 5000],
    ids=["10 MB", "surrogates", "NUL", "empty", "long"],
)
def test_a_refused_value_is_short_and_can_be_shown(anchoring: Anchoring, value: str) -> None:
    _, refused = anchoring.identify([Claimed("user_id", value), Claimed(value, "u1")])
    assert [each.reason for each in refused] == ["MALFORMED", "UNKNOWN_TYPE"]
    for text in (refused[0].value, refused[1].type):
        assert text.isprintable()
        assert len(text.encode()) < 1000


def test_blocked_values_of_the_rules_are_refused_however_written() -> None:
    types = {"phone": {"strength": "contact", "form": "phone", "blocked": ["400 820 8820", "rubbish"]}}
    anchoring = Anchoring(IdentifierRules.from_document({"version": 1, "types": types}), KEYRING)
    _, refused = anchoring.identify([Claimed("phone", "+86-400-820-8820")])
    assert [each.reason for each in refused] == ["BLOCKED_VALUE"]
    assert anchor_type(anchoring, claimed(phone="13800138000")) == "phone"


def test_an_unknown_region_is_refused_at_the_start() -> None:
    with pytest.raises(InvalidArgument, match="default_region"):
        Anchoring(DEFAULT_RULES, KEYRING, default_region="XX")


def test_a_small_memory_changes_no_answer() -> None:
    forgetful, mindful = Anchoring(DEFAULT_RULES, KEYRING, cache_size=2), Anchoring(DEFAULT_RULES, KEYRING)
    claims = [Claimed("user_id", f"u{n % 7}", verified=n % 3 == 0) for n in range(100)]
    assert forgetful.identify(claims) == mindful.identify(claims) == mindful.identify(claims)


def test_the_short_way_agrees_with_the_long_one(anchoring: Anchoring) -> None:
    pairs: list[tuple[str, str | int]] = [("cookie", "c1"), ("phone", 13800138000), ("fax", "1"), ("user_id", "null")]
    identified, refused = anchoring.identify([Claimed(type_, value) for type_, value in pairs])
    assert anchoring.anchor_of(pairs) == (anchoring.anchor(identified), refused)


VALUES = st.one_of(
    st.sampled_from(["13800138000", "+86 139 0013 9000", "li@qq.com", "LI@qq.com", "null", "u1", "U1", "0"]),
    st.text(max_size=8),
)
CLAIMS = st.lists(
    st.builds(Claimed, st.sampled_from([*DEFAULT_RULES.types, "fax"]), VALUES, st.booleans()), max_size=12
)


@given(CLAIMS, st.randoms(use_true_random=False))
def test_the_anchor_depends_on_the_set_alone(claims: list[Claimed], chance: random.Random) -> None:
    anchoring = Anchoring(DEFAULT_RULES, KEYRING)
    shuffled = [*claims, *chance.choices(claims, k=3)] if claims else []
    chance.shuffle(shuffled)
    identified, refused = anchoring.identify(claims)
    assert len(identified) + len(refused) == len(claims)
    assert anchoring.anchor(anchoring.identify(shuffled)[0]) == anchoring.anchor(identified)


@given(CLAIMS, CLAIMS)
def test_the_anchor_of_a_union_is_the_anchor_of_the_anchors(some: list[Claimed], others: list[Claimed]) -> None:
    anchoring = Anchoring(DEFAULT_RULES, KEYRING)
    apart = [anchoring.anchor(anchoring.identify(claims)[0]) for claims in (some, others)]
    together = anchoring.anchor(anchoring.identify([*some, *others])[0])
    assert anchoring.anchor([each for each in apart if each]) == together
