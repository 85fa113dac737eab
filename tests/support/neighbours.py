"""A small town for tests of linking: strangers, families, and a few who come twice."""

from collections.abc import Iterator
from typing import Final

from msgspec.structs import replace

from services.identity.linking.candidate import Candidate, candidate

_FIRST: Final = "anna ben carla dario elena felix greta hugo ida jonas karin leo mona nils olga paul".split()  # noqa: SIM905
_LAST: Final = "abel brandt conrad decker ebert faber gruber haas iske jansen keller lorenz".split()  # noqa: SIM905
_STREETS: Final = "ash beech cedar elm fir hazel larch maple oak pine".split()  # noqa: SIM905


def person(name: str) -> bytes:
    return name.encode().ljust(16, b".")


def town(homes: int = 40) -> list[Candidate]:
    """A family of two or three in each home; no two of them are one person."""
    return [one for home in range(homes) for one in _family(home)]


def _family(home: int) -> Iterator[Candidate]:
    last = _LAST[home % len(_LAST)]
    for member in range(2 + home % 2):
        yield candidate(
            person(f"h{home}m{member}"),
            {
                "first_name": _FIRST[(home * 5 + member * 3) % len(_FIRST)],
                "last_name": last,
                "birthday": f"{1950 + (home * 7 + member * 23) % 60}-{1 + home % 12:02}-{1 + member * 11:02}",
                "address": {
                    "street": f"{1 + home} {_STREETS[home % len(_STREETS)]} street",
                    "postal_code": str(10_000 + home % 9),
                },
                "email": f"m{home}.{member}@example.org",
            },
        )


def again(one: Candidate, name: str, **changes: object) -> Candidate:
    """The same person as another list has them."""
    return replace(one, person=person(name), **changes)
