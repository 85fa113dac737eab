"""Why somebody has a tag or does not, as it is told."""

from typing import NamedTuple

from libs.conditions.comparisons import Scalar
from libs.runtime.clock import Micros
from services.tagging.domain.by_hand import Known
from services.tagging.domain.holding import Held
from services.tagging.domain.score import Scored
from services.tagging.domain.stages import Entered


class Leaf(NamedTuple):
    """One part of a condition that has none itself, with the `not` above it; `path` is its place in the document."""

    path: str
    asks: str
    holds: bool
    value: str
    events: tuple[bytes, ...]
    flips: str
    changes_at: Micros | None


class Reason(NamedTuple):
    """One condition of a definition; `about` says which, `gives` what somebody has by it."""

    about: str
    holds: bool
    changes_at: Micros | None
    leaves: tuple[Leaf, ...]
    gives: Scalar | None
    decides: bool


class Contributed(NamedTuple):
    """What one kind of evidence brings to a score, and the events that it is."""

    about: str
    asks: str
    pieces: int
    points: float
    events: tuple[bytes, ...]


class Measured(NamedTuple):
    """The score of a tag, and what brings it about."""

    scored: Scored
    version: int
    contributions: tuple[Contributed, ...] = ()


class Explanation(NamedTuple):
    """Everything that speaks for or against a tag; `found` is what the history says now, `score` how sure it is."""

    person: bytes
    held: Held | None
    found: Scalar | None
    reasons: tuple[Reason, ...]
    by_hand: Known | None
    summary: str
    score: Measured | None = None


class MoveReason(NamedTuple):
    """A stage that somebody came to, and the parts of the move's condition as they stood then; at first none."""

    entered: Entered
    at: Micros
    leaves: tuple[Leaf, ...]


class StageExplanation(NamedTuple):
    """How somebody came to their stage by what their history says, and what time alone would do next."""

    person: bytes
    held: Held | None
    found: str
    moves: tuple[MoveReason, ...]
    ahead: tuple[MoveReason, ...]
    summary: str
