"""One spelling for each value, so that one phone written in five ways is one phone."""

import re
import unicodedata
from typing import Final, assert_never

import email_validator
import phonenumbers

from libs.people import phones, screen
from libs.people.identifiers import IdentifierType
from libs.people.screen import Unusable

MAX_VALUE_BYTES: Final = 512
NO_REGION: Final = "ZZ"
"""Phones must then be written with their country code."""

# Letters are refused because the phone library dials them: 138xxxx8000 would become the number of a stranger. So are
# extensions, because a switchboard's number is everybody's behind it.
_PHONE: Final = re.compile(r"\+?[\d ().\-‐-―·/]+")
_REGION: Final = re.compile(r"[A-Z]{2}")
_LARGEST_NUMBER: Final = 10**MAX_VALUE_BYTES


def region_of(locale: str) -> str:
    """The country of a BCP 47 locale (`CN` of zh-Hans-CN), in which phones without a country code are read."""
    return next((part for part in locale.split("-")[1:] if _REGION.fullmatch(part)), NO_REGION)


def normal_form(type_: IdentifierType, value: str, region: str) -> str:
    """The one spelling of a value of that type; raises `Unusable` with the reason. Its own normal form is itself."""
    text = tidy(value)
    screen.text(type_, text)
    normal = _spelled(type_, text, region)
    screen.patterns(type_, normal)
    return normal


def _spelled(type_: IdentifierType, text: str, region: str) -> str:
    match type_.form:
        case "phone":
            return phone(text, region)
        case "email":
            return email(text)
        case "caseless":
            return tidy(text.casefold())
        case "exact":
            return text
        case _:
            assert_never(type_.form)


def digits(number: object) -> str:
    """A whole number as text; empty, hence unusable, where it is none after all or too long."""
    # bool is an int to Python, and printing a huge integer raises.
    whole = isinstance(number, int) and not isinstance(number, bool) and abs(number) < _LARGEST_NUMBER
    return str(number) if whole else ""


def tidy(text: str) -> str:
    """Text in NFKC, trimmed, without invisible marks; raises `Unusable`."""
    if len(text) > MAX_VALUE_BYTES:
        raise Unusable("MALFORMED")
    if not text.isascii():
        # Copied phone numbers come wrapped in direction marks, files begin with a byte order mark: category Cf.
        text = unicodedata.normalize("NFKC", "".join(c for c in text if unicodedata.category(c) != "Cf"))
    text = text.strip()
    # isprintable also keeps out lone surrogates, which could not be encoded.
    if not text or not text.isprintable() or len(text.encode()) > MAX_VALUE_BYTES:
        raise Unusable("MALFORMED")
    return text


def phone(text: str, region: str) -> str:
    """A phone number in E.164; `region` reads numbers that have no country code. Raises `Unusable`.

    Only numbers that their country's plan has given out: the local number of one city is that of others too.
    """
    known = phones.plain(text, region)
    if known is not None:
        screen.run(known.national)
        return known.country + known.national
    if not _PHONE.fullmatch(text):
        raise Unusable("MALFORMED")
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        raise Unusable("MALFORMED") from None
    screen.run(str(number.national_number))
    if not phonenumbers.is_valid_number(number):
        raise Unusable("MALFORMED")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def email(text: str) -> str:
    """An address in lower case, its domain in Unicode; raises `Unusable`.

    Dots and +tags stay: whether they matter is each provider's rule, and a wrong guess joins two people.
    """
    try:
        address = email_validator.validate_email(text.lower(), check_deliverability=False).normalized
    except email_validator.EmailNotValidError:
        raise Unusable("MALFORMED") from None
    screen.email(address)
    return address
