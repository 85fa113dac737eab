from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.people.anchor import Anchoring
from libs.people.compose import composed
from libs.people.identifiers import DEFAULT_RULES, Claimed, IdentifierRules
from libs.people.keys import Keyring

RULES = IdentifierRules.from_document(
    {
        "version": 1,
        "types": {
            "phone": {"strength": "contact", "form": "phone"},
            "email": {"strength": "contact", "form": "email"},
            "member_no": {"strength": "strong", "form": "exact"},
            "name_born": {"strength": "strong", "form": "exact", "of": ["traits.last_name", "traits.born"]},
            "both": {"strength": "strong", "form": "exact", "of": ["phone", "email"]},
        },
    }
)
ANCHORING = Anchoring(RULES, Keyring(b"secret"))


def made(*claims: Claimed, **traits: Any) -> list[Claimed]:
    identified, _ = ANCHORING.identify(claims)
    return list(composed(RULES, identified, traits))


def test_case_width_and_outer_space_of_a_trait_mean_nothing() -> None:
    for name in ("Li", " li ", "ＬＩ", "LI"):
        assert made(last_name=name, born="1990-02-01") == [Claimed("name_born", "li|1990-02-01", verified=False)]


def test_a_number_counts_as_its_digits() -> None:
    assert made(last_name="Li", born=19900201) == [Claimed("name_born", "li|19900201", verified=False)]


@pytest.mark.parametrize("born", [None, "", "null", "unknown", "0", True, 1.5, [], "N/A", "x" * 1000])
def test_half_a_name_composes_nothing(born: Any) -> None:
    assert made(last_name="Li", born=born) == []
    assert made(last_name="Li") == []


def test_of_two_phones_nobody_knows_which_is_meant() -> None:
    phones = [Claimed("phone", "13800138000"), Claimed("phone", "13900139000")]
    assert made(*phones, Claimed("email", "li@qq.com")) == []


def test_one_phone_written_twice_is_one() -> None:
    phones = [Claimed("phone", "13800138000"), Claimed("phone", "+86 138 0013 8000", verified=True)]
    assert made(*phones, Claimed("email", "li@qq.com")) == [Claimed("both", "+8613800138000|li@qq.com", verified=False)]


@pytest.mark.parametrize(("phone", "email"), [(False, False), (True, False), (False, True), (True, True)])
def test_it_is_verified_where_all_of_its_parts_are(phone: bool, email: bool) -> None:
    claims = [Claimed("phone", "13800138000", verified=phone), Claimed("email", "li@qq.com", verified=email)]
    (one,) = made(*claims)
    assert one.verified == (phone and email)


def test_types_without_parts_are_never_composed() -> None:
    assert made(Claimed("member_no", "a1")) == []


def test_a_composite_is_read_like_any_identifier_that_is_sent() -> None:
    (one,) = ANCHORING.identify(made(last_name="Li", born="1990-02-01"))[0]
    assert (one.type.name, one.value) == ("name_born", "li|1990-02-01")


WORDS = st.text("ab|\\", min_size=1, max_size=6)


@given(WORDS, WORDS, WORDS, WORDS)
def test_no_two_pairs_of_parts_are_spelled_alike(name: str, born: str, other_name: str, other_born: str) -> None:
    one, other = made(last_name=name, born=born), made(last_name=other_name, born=other_born)
    if one and other and one == other:
        assert (name, born) == (other_name, other_born)


def test_what_is_composed_counts_among_the_identifiers_of_an_interaction() -> None:
    found, refused = ANCHORING.identify_all(
        [Claimed("email", "li@qq.com")], lambda: {"last_name": "Li", "born": "1990"}
    )
    assert [(one.type.name, one.value) for one in found] == [("email", "li@qq.com"), ("name_born", "li|1990")]
    assert refused == []
    assert ANCHORING.anchor(found) == found[1]


def test_traits_are_not_even_read_where_the_rules_compose_nothing() -> None:
    def never() -> dict[str, object]:
        raise AssertionError

    claims = [Claimed("phone", "13800138000"), Claimed("fax", "1")]
    plain = Anchoring(DEFAULT_RULES, Keyring(b"secret"))
    assert plain.identify_all(claims, never) == plain.identify(claims)
