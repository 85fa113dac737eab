"""Layers: what was folded at different times for different definitions, and how it counts together.

A definition that needs features which nobody kept is computed on history in a layer of its own, while the others go on.
A layer that is live holds its features alone, or, where events came since, all that is kept.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, NamedTuple

from libs.conditions.features import Features, decode, encode
from libs.conditions.plan import Plan

BASE: Final = 0
"""The layer before any definition was published."""


class Row(NamedTuple):
    """What a layer holds of a place."""

    layer: int
    state: bytes


@dataclass(frozen=True)
class Layers:
    """The live layers of a tenant, each with the features that it was folded for, in the order of their numbers."""

    live: Mapping[int, frozenset[int]] = field(default_factory=dict)

    @cached_property
    def newest(self) -> int:
        """The layer that is written: a row in it holds all that is kept."""
        return max(self.live, default=BASE)

    def since(self, feature: int) -> int:
        """The first layer whose rows count for a feature: the last that was folded for it."""
        return max((number for number, kept in self.live.items() if feature in kept), default=BASE)

    def parts(self, rows: Iterable[Row]) -> list[Features]:
        """What each row holds that counts; to be combined, not to be changed."""
        return [self._standing(row) for row in rows]

    def own(self, plan: Plan, rows: Sequence[Row]) -> Features:
        """All that rows of one place hold together, to be folded into."""
        if not rows:
            return Features()
        parts = self.parts(rows)
        return parts[0] if len(parts) == 1 else decode(encode(plan.combine(parts)))

    def _standing(self, row: Row) -> Features:
        """A row without what a later layer was folded for: what it has of that is from another time, and no more kept
        since.
        """
        features = decode(row.state)
        if row.layer >= self.newest:
            return features
        later = [kept for number, kept in self.live.items() if number > row.layer]
        return features.without(frozenset().union(*later))
