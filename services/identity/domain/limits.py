"""How many identifiers of each type a person may have, checked for all types by one addition."""

from collections.abc import Sequence
from typing import Final

from libs.people.identifiers import IdentifierType, PerPerson
from libs.runtime.clock import Micros

_WIDTH: Final = 32  # bits for each type: a person has fewer than 2³¹ identifiers


class Limits:
    """The limits of a list of types.

    A person's identifiers are counted in one whole number, `_WIDTH` bits for each limited type. A count plus `headroom`
    sets the highest bit of each type of which there are too many, so a union costs one addition and one `&`.
    """

    __slots__ = ("_limited", "full", "headroom", "unit")

    def __init__(self, types: Sequence[IdentifierType]) -> None:
        self.unit = [0] * len(types)
        self.headroom = 0
        self.full = 0
        self._limited: list[tuple[int, int, PerPerson]] = []
        for index, type_ in enumerate(types):
            if type_.per_person is not None:
                shift = _WIDTH * len(self._limited)
                highest = 1 << (_WIDTH - 1)
                self.unit[index] = 1 << shift
                self.headroom |= (highest - 1 - type_.per_person.at_most) << shift
                self.full |= highest << shift
                self._limited.append((index, highest << shift, type_.per_person))

    def exceeded(self, counts: int) -> list[tuple[int, PerPerson]]:
        """The types (by place in the list) of which there are too many in all, each with its limit."""
        over = (counts + self.headroom) & self.full
        return [(index, limit) for index, bit, limit in self._limited if over & bit] if over else []


def crowded(times: Sequence[Micros], limit: PerPerson) -> bool:
    """Whether more identifiers than the limit allows came up within its window; without one, in all."""
    if limit.within is None:
        return len(times) > limit.at_most
    ordered = sorted(times)
    return any(last - first < limit.within for first, last in zip(ordered, ordered[limit.at_most :], strict=False))
