"""Phone numbers that can only be read in one way, and are therefore known without the work of parsing them.

A number is parsed to find out what of it is a country code, an exit code, a trunk prefix, a carrier. Where nothing of
that can be in it but a country code after a plus sign, what remains is to look it up in its country's plan of numbers.
"""

import re
from functools import cache
from typing import Final, NamedTuple

from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, PhoneMetadata

_PLAIN: Final = re.compile(r"\+?[1-9][0-9]{6,16}")
_LONGEST_CODE: Final = 3
_KINDS: Final = (
    "mobile",
    "fixed_line",
    "toll_free",
    "premium_rate",
    "shared_cost",
    "voip",
    "personal_number",
    "pager",
    "uan",
    "voicemail",
)
"""All kinds of numbers that somebody may be called at from elsewhere, the most frequent first."""


class Plain(NamedTuple):
    """A number in two parts, `+86` and `13812345678`."""

    country: str
    national: str


class _Kind(NamedTuple):
    lengths: frozenset[int]
    pattern: re.Pattern[str]


class _Country(NamedTuple):
    code: str
    prefix: re.Pattern[str]
    """How a number may begin that has more before it than the country code."""
    every: _Kind
    kinds: tuple[_Kind, ...]

    def has(self, national: str) -> bool:
        """Whether the country's plan gives the number out, and it begins with nothing that would be left off."""
        return (
            not self.prefix.match(national)
            and _matches(self.every, national)
            and any(_matches(kind, national) for kind in self.kinds)
        )


def plain(text: str, region: str) -> Plain | None:
    """A valid number that can be read in one way alone, as `phonenumbers` reads it; None where only that can tell.

    `region` is the country of a number without a plus sign.
    """
    if not _PLAIN.fullmatch(text):
        return None
    if text[0] == "+":
        country, national = _country_of(text), text
        national = text[len(country.code) :] if country else ""
    else:
        country, national = _country(region), text
        if country and text.startswith(country.code[1:]):  # which may be that of the country
            return None
    return Plain(country.code, national) if country and country.has(national) else None


def _country_of(text: str) -> _Country | None:
    for length in range(1, _LONGEST_CODE + 1):  # no code begins another
        regions = COUNTRY_CODE_TO_REGION_CODE.get(int(text[1 : 1 + length]))
        if regions:
            return _country(regions[0])
    return None


@cache
def _country(region: str) -> _Country | None:
    """The plan of a country's numbers; None where several countries share a code, and hence each other's numbers."""
    told = PhoneMetadata.metadata_for_region(region, None)
    if told is None or told.country_code is None or told.general_desc is None:
        return None
    if len(COUNTRY_CODE_TO_REGION_CODE[told.country_code]) > 1:
        return None
    every, *kinds = (_kind(getattr(told, name)) for name in ("general_desc", *_KINDS))
    if every is None:
        return None
    prefixes = (told.national_prefix_for_parsing, told.international_prefix, "0")
    prefix = "|".join(f"(?:{one})" for one in prefixes if one)
    return _Country(f"+{told.country_code}", re.compile(prefix), every, tuple(kind for kind in kinds if kind))


def _kind(told: object) -> _Kind | None:
    pattern = getattr(told, "national_number_pattern", None)
    return _Kind(frozenset(getattr(told, "possible_length", ())), re.compile(pattern)) if pattern else None


def _matches(kind: _Kind, national: str) -> bool:
    return (not kind.lengths or len(national) in kind.lengths) and kind.pattern.fullmatch(national) is not None
