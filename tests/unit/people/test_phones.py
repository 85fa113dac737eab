"""What is known of a phone number without parsing it is what the library that parses says."""

import re
from collections.abc import Iterator
from random import Random
from typing import Final

import phonenumbers
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, PhoneNumberFormat, PhoneNumberType

from libs.people.phones import plain

REGIONS: Final = sorted({region for regions in COUNTRY_CODE_TO_REGION_CODE.values() for region in regions} - {"001"})
NONE_OF_THEM: Final = "ZZ"


def parsed(text: str, region: str) -> str | None:
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number):
        return None
    return phonenumbers.format_number(number, PhoneNumberFormat.E164)


def examples(region: str) -> Iterator[str]:
    """A number of each kind that the region has, in E.164."""
    for kind in PhoneNumberType.values():
        number = phonenumbers.example_number_for_type(region, kind)
        if number is not None:
            yield phonenumbers.format_number(number, PhoneNumberFormat.E164)


def agrees(text: str, region: str) -> bool:
    """Whether a text was known to be a number; what is known must be what parsing finds."""
    known = plain(text, region)
    if known is None:
        return False
    assert known.country + known.national == parsed(text, region)
    assert re.fullmatch(r"\+[0-9]{1,3}", known.country)
    return True


@pytest.mark.parametrize("region", REGIONS)
def test_near_the_examples_of_every_country_what_is_known_is_what_is_parsed(region: str) -> None:
    chance = Random(region)
    for number in examples(region):
        for _ in range(12):
            at = chance.randrange(1, len(number))
            changed = f"{number[:at]}{chance.randrange(10)}{number[at + chance.randrange(2) :]}"
            code = len(str(phonenumbers.country_code_for_region(region)))
            for text in (changed, changed[1:], changed[1 + code :], f"+{chance.choice('0123456789')}{changed[2:]}"):
                for home in (region, NONE_OF_THEM, "CN"):
                    agrees(text, home)


@given(st.from_regex(r"\+?[0-9]{6,17}", fullmatch=True), st.sampled_from([*REGIONS, NONE_OF_THEM]))
@example("12013800138000", "CN")  # a carrier's prefix and a number, or neither
@example("+861201380013800", "CN")
@example("+80012345678", "CN")  # of no country
def test_what_is_known_is_what_is_parsed(text: str, region: str) -> None:
    agrees(text, region)


@pytest.mark.parametrize("text", ["+8613800138000", "13800138000", "+862160000000", "+33612345678", "+819012345678"])
def test_most_numbers_need_no_parsing(text: str) -> None:
    assert agrees(text, "CN")


@pytest.mark.parametrize(
    "text",
    [
        "+12124567890",  # which of 25 countries
        "8613800138000",  # with or without a country code
        "+86013800138000",  # a trunk prefix
        "008613800138000",  # an exit code
        "+86 138 0013 8000",
    ],
)
def test_what_may_be_read_in_two_ways_is_left_to_the_library(text: str) -> None:
    assert plain(text, "CN") is None
    assert parsed(text, "CN") is not None
