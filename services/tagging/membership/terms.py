"""What bitmaps are kept by: "tag:vip", "tag:city=上海", "segment:x", "stage=new", "tier=gold", "score:x=strong".

A term is a reference, as conditions write it, and for those who hold it with a certain text, that text.
"""

from typing import Final, NamedTuple

from libs.conditions.comparisons import Scalar
from libs.runtime.clock import Micros

VALUES: Final = 256
"""Texts of one reference that are told apart in one partition; of more, only who holds it at all is kept."""

LONGEST: Final = 200
"""Characters of a text that is kept: a longer one would not fit into an index of the database."""

_BETWEEN: Final = "="  # in no reference, because keys have only a-z, 0-9 and _


class Told(NamedTuple):
    """What somebody holds of a reference from a position of the log on, and held before; None for nothing.

    `since` is when it came about.
    """

    position: int
    person: bytes
    reference: str
    now: Scalar | None
    former: Scalar | None
    since: Micros = 0


def term_of(reference: str, value: str | None = None) -> str:
    """The term of everybody who holds a reference, or of those who hold it with one text."""
    return reference if value is None else f"{reference}{_BETWEEN}{value}"


def read_term(term: str) -> tuple[str, str | None]:
    """The opposite of `term_of`."""
    reference, between, value = term.partition(_BETWEEN)
    return reference, value if between else None


def is_kept(value: Scalar) -> bool:
    """Whether a value is a text that may be a term's; a flag has none, and numbers are too many."""
    return isinstance(value, str) and len(value) <= LONGEST and "\0" not in value
