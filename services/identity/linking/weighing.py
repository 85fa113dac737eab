"""From findings to a score: how likely two people are one, with all that was counted."""

from collections.abc import Collection
from math import log2
from typing import Final

import msgspec

from services.identity.linking.linker import AGREES, SHARED_AT_HOME, Compared

_DIFFERS_OF_ONE: Final = 0.07
_DIFFERS_OF_TWO: Final = 0.97
"""How often first names differ of one person's records, and of two people of one household."""

_ASSUMED_PAIRS: Final = 20
_ASSUMED: Final = 0.25
"""Before anything is learnt: so many pairs of one home, of whom this part is one person: a household of four."""

_BOUNDS: Final = (0.05, 0.98)
_MOST_BITS: Final = 1_000.0


class Scale(msgspec.Struct, frozen=True):
    """What people are weighed by: how many they are, and what part of the pairs that share a home is one person."""

    people: int
    one_at_home: float = _ASSUMED


class Weighed(msgspec.Struct, frozen=True, gc=False):
    """Two people compared; `score` is from 0 to 1, and comes of `chance`, the findings and `discount`, all in bits."""

    compared: Compared
    chance: float
    discount: float
    score: float


def scale_of(compared: Collection[Compared], people: int) -> Scale:
    """Learn who shares a home: where first names differ, two people do; where they hardly ever do, one does twice.

    Of q who share a home being one person, first names differ in q · 7 % + (1 - q) · 97 % of the pairs, which is
    counted and solved for q.
    """
    pairs = float(_ASSUMED_PAIRS)
    differ = pairs * (_DIFFERS_OF_TWO - _ASSUMED * (_DIFFERS_OF_TWO - _DIFFERS_OF_ONE))
    for one in compared:
        first = one.grade("first name")
        if first != "unknown" and one.grade("last name") in AGREES and one.grade("address") in AGREES:
            pairs += 1
            differ += first == "different"
    share = (_DIFFERS_OF_TWO - differ / pairs) / (_DIFFERS_OF_TWO - _DIFFERS_OF_ONE)
    return Scale(people, min(max(share, _BOUNDS[0]), _BOUNDS[1]))


def weigh(compared: Compared, scale: Scale) -> Weighed:
    """Weigh what was found of two.

    That two of N people are one has a chance of one in N. A shared last name, address and phone each make it likelier
    as if by themselves, but a household shares them all: so together they count for no more than that the two share a
    home, of whom a known part is one person. Without this, families are suggested to be one person.
    """
    chance = -log2(max(scale.people, 2))
    total = at_home = 0.0
    for finding in compared.findings:
        total += finding.weight
        if finding.subject in SHARED_AT_HOME:
            at_home += finding.weight
    most = log2(scale.one_at_home / (1 - scale.one_at_home))
    discount = min(0.0, most - chance - at_home)
    bits = max(-_MOST_BITS, min(_MOST_BITS, chance + total + discount))
    return Weighed(compared, chance, discount, 1 / (1 + 2**-bits))
