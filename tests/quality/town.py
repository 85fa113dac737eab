"""A simulated town of whose people a census and tax forms tell, with the households that Febrl lacks."""

import re
import warnings
from collections.abc import Mapping
from typing import Any, Final

from tests.quality.records import Listed, known

YEAR: Final = 2020
SEED: Final = 0

_DATE: Final = re.compile(r"(\d\d)/(\d\d)/(\d{4})")
_NAMES: Final[Mapping[str, str]] = {
    "first_name": "first_name",
    "middle_name": "middle_initial",
    "last_name": "last_name",
}
_CENSUS: Final[Mapping[str, str]] = {
    **_NAMES,
    "gender": "sex",
    "birthday": "date_of_birth",
    "street_number": "street_number",
    "street": "street_name",
    "city": "city",
    "postcode": "zipcode",
}
_FORMS: Final[Mapping[str, str]] = {
    **_NAMES,
    "street_number": "mailing_address_street_number",
    "street": "mailing_address_street_name",
    "city": "mailing_address_city",
    "postcode": "mailing_address_zipcode",
}


def town() -> list[Listed]:
    """The census, of one record a person, and the W-2 and 1099 forms, one for each of a person's employers.

    The forms have neither birthday nor gender, and the social security numbers on them, which the census lacks, are
    left out: they are what nobody has where people have to be linked.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pseudopeople's own, of pandas' future
        import pseudopeople  # noqa: PLC0415  # takes seconds, and warns

        census = pseudopeople.generate_decennial_census(seed=SEED, year=YEAR, verbose=False)
        forms = pseudopeople.generate_taxes_w2_and_1099(seed=SEED, year=YEAR, verbose=False)
    return [*_records("census", census, _CENSUS), *_records("form", forms, _FORMS)]


def _records(list_: str, frame: Any, names: Mapping[str, str]) -> list[Listed]:
    return [
        Listed(f"{list_} {place:5}".encode(), list_, row["simulant_id"], row["household_id"], _traits(row, names))
        for place, row in enumerate(frame.to_dict("records"))
    ]


def _traits(row: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, str]:
    traits = known(row, names)
    if match := _DATE.fullmatch(traits.get("birthday", "")):
        traits["birthday"] = f"{match[3]}-{match[1]}-{match[2]}"
    return traits
