from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.people import screen
from libs.people.identifiers import DEFAULT_RULES, IdentifierType
from libs.people.normalise import normal_form
from libs.people.screen import Unusable


def reason(type_: str, value: str) -> str | None:
    return reason_of(DEFAULT_RULES.types[type_], value)


def reason_of(type_: IdentifierType, value: str) -> str | None:
    try:
        normal_form(type_, value, "CN")
    except Unusable as unusable:
        return unusable.reason
    return None


@given(st.from_regex(screen._TEMPLATE, fullmatch=True) | st.from_regex(screen._MASK, fullmatch=True))
def test_no_template_and_no_mask_is_taken_for_a_plain_value(value: str) -> None:
    with pytest.raises(Unusable):
        screen.text(DEFAULT_RULES.types["user_id"], value)


@pytest.mark.parametrize(
    "value",
    [
        *("null", "NULL", "None", "none", "undefined", "nil", "NaN", "N/A", "#N/A", "unknown", "true", "False", "-1"),
        *("anonymous", "Guest", "visitor", "distinct_id", "id", "not set", "匿名", "游客", "ｎｕｌｌ"),
        *('"null"', "'undefined'", "(null)", "<null>", "[object Object]", "“none”", '"', '""', "[]", "{}", "-", "?"),
        *("user_id", "USER_ID", '"user_id"'),
    ],
)
def test_a_printed_nothing_names_nobody(value: str) -> None:
    assert reason("user_id", value) == "PLACEHOLDER"


@pytest.mark.parametrize("type_", sorted(DEFAULT_RULES.types))
def test_null_and_the_types_own_name_are_placeholders_for_every_type(type_: str) -> None:
    assert reason(type_, "null") == "PLACEHOLDER"
    assert reason(type_, type_) == "PLACEHOLDER"


@pytest.mark.parametrize("value", ["{{user.id}}", "${userId}", "{user_id}", "__OAID__", "%%EMAIL%%", "*|EMAIL|*", "%s"])
def test_an_unfilled_template_names_nobody(value: str) -> None:
    assert reason("device_id", value) == "UNFILLED_TEMPLATE"


@pytest.mark.parametrize(
    ("type_", "value"),
    [("phone", "138****8000"), ("email", "li**@qq.com"), ("member_no", "6222 xxxx 1234"), ("user_id", "张••")],
)
def test_a_masked_value_names_a_thousand_people(type_: str, value: str) -> None:
    assert reason(type_, value) == "MASKED"


@pytest.mark.parametrize(
    ("type_", "value"),
    [
        ("user_id", "0"),
        ("member_no", "0000"),
        ("phone", "00000000000"),
        ("phone", "11111111111"),
        ("phone", "+86 99999999999"),
        ("phone", "1234567890"),
        ("phone", "9876543210"),
        ("device_id", "00000000-0000-0000-0000-000000000000"),
        ("device_id", "ffffffff-ffff-ffff-ffff-ffffffffffff"),
        ("device_id", "FF:FF:FF:FF:FF:FF"),
        ("device_id", "00:00:00:00:00:00"),
        ("cookie", "aaaaaa"),
        ("anonymous_id", "123456"),
        ("member_no", "99999999"),
        ("member_no", "12345678901234"),
        ("email", "00000@qq.com"),
        ("email", "11111111@qq.com"),
    ],
)
def test_zeros_repetitions_and_digits_in_a_row_hold_no_information(type_: str, value: str) -> None:
    assert reason(type_, value) == "NO_INFORMATION"


@pytest.mark.parametrize(
    ("type_", "value"),
    [
        ("user_id", "test"),
        ("user_id", "TestUser"),
        ("openid", "foo"),
        ("email", "Test@gmail.com"),
        ("email", "a@a.com"),
    ],
)
def test_what_people_type_to_get_past_a_form_names_nobody(type_: str, value: str) -> None:
    assert reason(type_, value) == "TEST_VALUE"


@pytest.mark.parametrize("value", ["null@qq.com", "noreply@shop.cn", "No-Email@shop.cn", "anonymous@qq.com"])
def test_a_mailbox_of_nobody_is_a_placeholder(value: str) -> None:
    assert reason("email", value) == "PLACEHOLDER"


@pytest.mark.parametrize("value", ["9774d56d682e549c", "02:00:00:00:00:00", "03000200-0400-0500-0006-000700080009"])
def test_what_every_device_of_a_make_reports_names_no_device(value: str) -> None:
    assert reason("device_id", value) == "FACTORY_DEFAULT"


@pytest.mark.parametrize(
    ("type_", "value"),
    [
        ("member_no", "1"),
        ("member_no", "7"),
        ("member_no", "1111"),
        ("user_id", "1234"),
        ("user_id", "10"),
        ("household_id", "2222"),
        ("user_id", "guesthouse"),
        ("user_id", "tester-li"),
        ("email", "guest.li@qq.com"),
        ("email", "anna@example.com"),
        ("email", "12345@qq.com"),
        ("phone", "13800138000"),
        ("phone", "13888888888"),
        ("phone", "17777777777"),
        ("device_id", "d1"),
        ("device_id", "{1F0EAB77-51C1-4A0E-9B35-7F1C7D2F5B10}"),
        ("openid", "o6_bmjrPTlm6_2sgVt7hMZOPfL2M"),
        ("unionid", "o__0__x"),
        ("push_token", "cXxx9:APA91bH-xxx_0x"),
        ("user_id", "李雷"),
    ],
)
def test_a_plain_value_passes(type_: str, value: str) -> None:
    assert reason(type_, value) is None


def patterned(**fields: tuple[str, ...]) -> IdentifierType:
    return replace(DEFAULT_RULES.types["member_no"], **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("value", "told"), [("VIP-0017", None), ("vip-0017", None), ("VIP-17", "MALFORMED"), ("STAFF-0017", "MALFORMED")]
)
def test_a_value_must_match_one_of_its_types_patterns_in_normal_form(value: str, told: str | None) -> None:
    assert reason_of(patterned(matches=("vip-[0-9][0-9][0-9][0-9]", "gold-*")), value) == told


@pytest.mark.parametrize(
    ("value", "told"), [("staff-17", "BLOCKED_VALUE"), ("STAFF-17", "BLOCKED_VALUE"), ("s17", None)]
)
def test_a_value_must_match_none_of_its_types_blocked_patterns(value: str, told: str | None) -> None:
    assert reason_of(patterned(blocked_patterns=("staff-*",)), value) == told


def test_a_careless_pattern_takes_no_time() -> None:
    assert reason_of(patterned(matches=("*a" * 30 + "b",)), "a" * 500 + "c") == "MALFORMED"
