"""Lists of people in which it is known who is who."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Traits = Mapping[str, Any]


@dataclass(frozen=True)
class Listed:
    """A record; records of one list are of one kind, and `person` is the truth."""

    id: bytes
    list: str
    person: str
    household: str
    traits: Traits


def known(row: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, str]:
    """What a row tells, by our names for its columns; an absent value is no text to pandas."""
    return {name: row[column] for name, column in names.items() if isinstance(row[column], str)}


def by_person(records: list[Listed]) -> Iterator[list[bytes]]:
    """The records of each person."""
    found: dict[str, list[bytes]] = {}
    for record in records:
        found.setdefault(record.person, []).append(record.id)
    yield from found.values()
