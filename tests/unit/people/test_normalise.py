import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from libs.people.identifiers import DEFAULT_RULES
from libs.people.normalise import digits, normal_form, region_of
from libs.people.screen import Unusable

ANY_TEXT = st.text(st.characters(exclude_categories=[]), max_size=600)


def read(type_: str, value: str, region: str = "CN") -> str:
    return normal_form(DEFAULT_RULES.types[type_], value, region)


@pytest.mark.parametrize(
    "written",
    [
        "13800138000",
        "+8613800138000",
        "+86 138 0013 8000",
        "0086-138-0013-8000",
        "8613800138000",
        "  (138) 0013.8000\n",
        "\uff0b\uff18\uff16\u3000\uff11\uff13\uff1800138000",  # full-width, as Chinese keyboards write them
        "\u202a+86 138\u00a00013\u20118000\u202c",
        "\ufeff١٣٨٠٠١٣٨٠٠٠",
    ],
)
def test_one_phone_has_one_spelling(written: str) -> None:
    assert read("phone", written) == "+8613800138000"


def test_a_phone_without_country_code_is_read_in_the_region() -> None:
    assert read("phone", "(212) 456-7890", "US") == "+12124567890"
    assert read("phone", "020 7946 0958", "GB") == "+442079460958"
    with pytest.raises(Unusable, match="MALFORMED"):
        read("phone", "13800138000", "US")


@pytest.mark.parametrize(
    "written",
    [
        "138",
        "88123456",  # local: the same number rings in many cities
        "13800138000 ext. 5",
        "1-800-FLOWERS",
        "13800138000/13900139000",
        "1.38E+10",
        "tel",
        "+",
        "((((",
        "+999999999999",
        "9" * 300,
    ],
)
def test_what_is_not_one_persons_phone_is_refused(written: str) -> None:
    with pytest.raises(Unusable):
        read("phone", written)


def test_an_address_is_lower_case_and_keeps_its_dots_and_tags() -> None:
    assert read("email", " Li.Lei+News@QQ.COM ") == "li.lei+news@qq.com"
    assert read("email", "li@xn--fsqu00a.xn--0zwm56d") == read("email", "li@例子.测试")


@pytest.mark.parametrize(
    "written", ["li", "li@", "@qq.com", "li@localhost", "a b@qq.com", "Li <li@qq.com>", "li@qq..com"]
)
def test_what_is_not_an_address_is_refused(written: str) -> None:
    with pytest.raises(Unusable, match="MALFORMED"):
        read("email", written)


def test_case_counts_where_the_issuer_says_so() -> None:
    assert read("openid", "oAbC_9") == "oAbC_9"
    assert read("cookie", "GA1.2") == "GA1.2"
    assert read("member_no", "VIP-0012a") == read("member_no", "vip-0012A") == "vip-0012a"
    assert read("device_id", "1F0E-AB77") == "1f0e-ab77"


def test_leading_zeros_count() -> None:
    assert read("member_no", "0042") != read("member_no", "42")


@pytest.mark.parametrize(
    "written", ["", "  ", "\u200b", "a\0b", "a\x07", "\ud800", "a\udfff", "a\nb", "值" * 171, "a" * 513]
)
def test_what_is_no_printable_short_text_is_refused(written: str) -> None:
    with pytest.raises(Unusable, match="MALFORMED"):
        read("user_id", written)


def test_the_limit_is_512_bytes_of_the_normal_form() -> None:
    assert len(read("user_id", "a1" * 256)) == 512
    assert len(read("user_id", "值1" * 128)) == 256
    with pytest.raises(Unusable):
        read("user_id", "ﷺ" * 100)  # one character that NFKC spells out as eighteen


def test_a_whole_number_is_its_digits() -> None:
    assert digits(13800138000) == "13800138000"
    assert digits(-7) == "-7"
    assert [digits(True), digits(1.5), digits(None), digits(10**5000)] == [""] * 4


@pytest.mark.parametrize(
    ("locale", "region"), [("zh-CN", "CN"), ("zh-Hant-TW", "TW"), ("en", "ZZ"), ("en-US", "US"), ("es-419", "ZZ")]
)
def test_a_locale_names_the_region(locale: str, region: str) -> None:
    assert region_of(locale) == region


@given(st.sampled_from(sorted(DEFAULT_RULES.types)), ANY_TEXT)
@example("member_no", "ẞİΐ\u0345Ᾱ\u0345")
@example("email", "İ@qq.com")
@example("email", "ß@straße.de")
def test_any_text_is_read_or_refused_and_a_normal_form_is_its_own(type_: str, value: str) -> None:
    try:
        normal = read(type_, value)
    except Unusable:
        return
    assert read(type_, normal, "US") == normal
    assert 0 < len(normal.encode()) <= 512


@given(st.from_regex(r"(\+|00)?[0-9 ()-]{5,18}", fullmatch=True), st.sampled_from(["CN", "US", "DE", "ZZ"]))
def test_a_phone_is_its_own_normal_form(value: str, region: str) -> None:
    try:
        normal = read("phone", value, region)
    except Unusable:
        return
    assert read("phone", normal, "ZZ") == normal


@given(st.emails())
def test_an_address_is_its_own_normal_form(value: str) -> None:
    try:
        normal = read("email", value)
    except Unusable:
        return
    assert read("email", normal) == normal
