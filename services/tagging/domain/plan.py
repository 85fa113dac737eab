"""What a definition would change for people."""

from dataclasses import dataclass, field
from typing import NamedTuple

from libs.conditions.comparisons import Scalar

SAMPLE = 20


class TagChange(NamedTuple):
    """What one person has before and after; None for nothing."""

    person: bytes
    before: Scalar | None
    after: Scalar | None
    of: str = ""


@dataclass(slots=True)
class TagPlan:
    """Figures of the people looked at, and some of those concerned."""

    population: int = 0
    looked_at: int = 0
    gained: int = 0
    lost: int = 0
    changed: int = 0
    holding: int = 0
    sample: list[TagChange] = field(default_factory=list)
    reads_history: bool = False

    def note(self, change: TagChange) -> None:
        """Count one person."""
        self.looked_at += 1
        self.holding += change.after is not None
        if (change.before, isinstance(change.before, bool)) == (change.after, isinstance(change.after, bool)):
            return
        self.gained += change.before is None
        self.lost += change.after is None
        self.changed += change.before is not None and change.after is not None
        if len(self.sample) < SAMPLE:
            self.sample.append(change)
