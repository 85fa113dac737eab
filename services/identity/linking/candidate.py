"""A person as far as people can be compared: names, birthday, address and contacts, each in one spelling."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import msgspec

from libs.people.identifiers import IdentifierType
from libs.people.normalise import NO_REGION, digits, normal_form
from libs.people.screen import Unusable
from services.identity.domain.naming import PersonId

_TEXT: Final = IdentifierType("text", "person", "contact", 0, "caseless")
_CAMEL: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")
_DATE: Final = re.compile(r"(\d{4})[-/.]?(\d{2})[-/.]?(\d{2})(?:[t ].*)?")
_NUMBER_FIRST: Final = re.compile(r"(\d+ ?[a-z]?)[ ,]+(\D.*)")
_NUMBER_LAST: Final = re.compile(r"(.*\D)[ ,]+(\d+ ?[a-z]?)")
_HAN_NAME: Final = re.compile(r"[\u4e00-\u9fff]{2,4}")
_TWO_CHARACTER_SURNAMES: Final = frozenset(
    ["欧阳", "司马", "上官", "诸葛", "东方", "皇甫", "尉迟", "公孙", "慕容", "司徒", "令狐", "夏侯", "端木", "长孙"]
)

_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "first_name": ("first_name", "given_name"),
    "middle_name": ("middle_name", "middle_initial"),
    "last_name": ("last_name", "surname", "family_name"),
    "birthday": ("birthday", "date_of_birth", "birth_date", "dob"),
    "gender": ("gender", "sex"),
    "document_number": ("document_number", "id_number", "passport_number", "tax_number"),
    "street_number": ("street_number", "house_number"),
    "street": ("street", "street_name", "line1", "address_1"),
    "city": ("city", "town", "suburb"),
    "postcode": ("postcode", "postal_code", "zip", "zipcode", "zip_code"),
    "phones": ("phone", "mobile"),
    "emails": ("email",),
}


class Candidate(msgspec.Struct, frozen=True, gc=False):
    """A person and what is known of them; empty is unknown. `birthday` is 2001-02-31, which need not be a real day."""

    person: PersonId
    first_name: str = ""
    middle_name: str = ""
    last_name: str = ""
    birthday: str = ""
    gender: str = ""
    document_number: str = ""
    street_number: str = ""
    street: str = ""
    city: str = ""
    postcode: str = ""
    phones: tuple[str, ...] = ()
    emails: tuple[str, ...] = ()

    @property
    def is_comparable(self) -> bool:
        """Whether enough is known to tell the person from others: a name, and something else."""
        return bool(
            (self.first_name or self.last_name)
            and (self.birthday or self.document_number or self.street or self.phones or self.emails or self.postcode)
        )


def candidate(person: PersonId, traits: Mapping[str, Any], contacts: Iterable[tuple[str, str]] = ()) -> Candidate:
    """Read traits as the Segment specification and common use name them; `contacts` are (phone or email, value).

    What can't be read is unknown: a trait is whatever some form let through, and none is worth failing for.
    """
    said = {_CAMEL.sub("_", name).lower(): value for name, value in traits.items()}
    address = said.get("address")
    if isinstance(address, Mapping):
        said = {**{_CAMEL.sub("_", str(name)).lower(): value for name, value in address.items()}, **said}
    elif address is not None:
        said.setdefault("street", address)
    first, middle, last = _full_name(said.get("name"))
    number, street = _street(_one(said, "street"))
    known = list(contacts)
    return Candidate(
        person,
        first_name=_one(said, "first_name") or first,
        middle_name=_one(said, "middle_name") or middle,
        last_name=_one(said, "last_name") or last,
        birthday=_date(_one(said, "birthday", _exact)),
        gender=_one(said, "gender")[:1],
        document_number=_one(said, "document_number"),
        street_number=_one(said, "street_number") or number,
        street=street,
        city=_one(said, "city"),
        postcode=_one(said, "postcode"),
        phones=_contacts(said, "phones", (value for type_, value in known if type_ == "phone")),
        emails=_contacts(said, "emails", (value for type_, value in known if type_ == "email")),
    )


def _text(value: object) -> str:
    return " ".join(_exact(value).replace(".", " ").split())


def _exact(value: object) -> str:
    """One spelling; whole numbers come as floats where they went through JSON."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    try:
        return normal_form(_TEXT, value if isinstance(value, str) else digits(value), NO_REGION)
    except Unusable:
        return ""


def _one(said: Mapping[str, Any], field: str, read: Callable[[object], str] = _text) -> str:
    return next((text for name in _NAMES[field] if (text := read(said.get(name)))), "")


def _full_name(value: object) -> tuple[str, str, str]:
    """First, middle and last name of a whole one, western or Chinese."""
    name = _text(value)
    if _HAN_NAME.fullmatch(name):
        surname = 2 if len(name) > 2 and name[:2] in _TWO_CHARACTER_SURNAMES else 1  # noqa: PLR2004  characters
        return name[surname:], "", name[:surname]
    first, _, rest = name.partition(" ")
    middle, _, last = rest.rpartition(" ")
    return first, middle, last


def _date(text: str) -> str:
    """The day in a date written with the year first; in others, day and month can't be told apart."""
    match = _DATE.fullmatch(text)
    return "-".join(match.groups()) if match else ""


def _street(text: str) -> tuple[str, str]:
    """House number and street of a line that holds both."""
    if match := _NUMBER_FIRST.fullmatch(text):
        return match[1], match[2]
    if match := _NUMBER_LAST.fullmatch(text):
        return match[2], match[1].strip(" ,")
    return "", text


def _contacts(said: Mapping[str, Any], field: str, known: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted({*known, *(text for name in _NAMES[field] if (text := _exact(said.get(name))))}))
