"""What compares people: the port, and what comes out of a comparison."""

from collections.abc import Iterator, Sequence
from typing import Final, Literal, Protocol

import msgspec

from services.identity.domain.naming import PersonId
from services.identity.linking.candidate import Candidate

Subject = Literal[
    "first name",
    "middle name",
    "last name",
    "birthday",
    "gender",
    "document number",
    "address",
    "city",
    "postcode",
    "phone",
    "e-mail",
]

Grade = Literal["same", "near", "different", "unknown"]
"""How two values compare; near: a slip of the pen apart, or one of two parts the same."""

AGREES: Final[frozenset[Grade]] = frozenset({"same", "near"})

SHARED_AT_HOME: Final[frozenset[Subject]] = frozenset({"last name", "address", "city", "postcode", "phone", "e-mail"})
"""What people who live together have in common."""


class Finding(msgspec.Struct, frozen=True, gc=False):
    """How one subject compares; `weight` in bits, the logarithm (base 2) of how much likelier that is of one person."""

    subject: Subject
    grade: Grade
    weight: float


class Compared(msgspec.Struct, frozen=True, gc=False):
    """Two people, subject by subject; what is unknown of either has no finding."""

    one: PersonId
    other: PersonId
    findings: tuple[Finding, ...]

    def grade(self, subject: Subject) -> Grade:
        """How a subject compares."""
        return next((finding.grade for finding in self.findings if finding.subject == subject), "unknown")


class Linker(Protocol):
    """Compares people.

    The order of the candidates says nothing, nor does the number of calls: equal people get equal answers.
    """

    def compare(self, people: Sequence[Candidate]) -> Iterator[Compared]:
        """Every pair that has enough in common to be one person or one household, once, the smaller id first."""
        ...
