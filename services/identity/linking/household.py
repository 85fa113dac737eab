"""What to look out for before two people are taken for one: that they may be two of one household."""

from collections.abc import Iterator
from typing import Final

from services.identity.linking.candidate import Candidate
from services.identity.linking.linker import AGREES, Compared, Subject

_PERSONAL: Final[tuple[tuple[Subject, str], ...]] = (
    ("middle name", "middle_name"),
    ("birthday", "birthday"),
    ("gender", "gender"),
    ("document number", "document_number"),
)
"""What two people of one household differ in, and the field of a `Candidate`."""


def household_warnings(compared: Compared, one: Candidate, other: Candidate) -> Iterator[str]:
    """Why two who share a home may yet be two, a line each; nothing where they don't, or where nothing speaks for it.

    A first name must be the very same: Eric and Erin are twins, Maria and Marquita sisters. A last name need not, for
    people marry; but at one address another last name, or none, is somebody else's more often than not.
    """
    shares = [subject for subject in ("address", "last name", "phone") if compared.grade(subject) in AGREES]
    if not shares:
        return
    home = f"share {' and '.join(shares)}"
    if not (one.first_name and other.first_name):
        yield f"they {home}, and the first name of one is unknown: may be two of a household"
    elif compared.grade("first name") != "same":
        yield f"they {home}, and first names differ ({one.first_name}, {other.first_name}): may be two of a household"
    if not (one.last_name and other.last_name):
        yield f"they {home}, and the last name of one is unknown: may be two of a household"
    elif compared.grade("last name") not in AGREES:
        yield f"they {home}, and last names differ ({one.last_name}, {other.last_name}): may be two of a household"
    for subject, field in _PERSONAL:
        if compared.grade(subject) in {"near", "different"}:
            values = f"{getattr(one, field)}, {getattr(other, field)}"
            yield f"they {home}, and their {subject} differs ({values}): may be two of a household"


def differs_in_person(compared: Compared) -> bool:
    """Whether two differ in what one person has but once."""
    return any(compared.grade(subject) == "different" for subject in ("first name", *(name for name, _ in _PERSONAL)))
