"""Why somebody has a tag or does not, as it is told."""

from typing import NamedTuple

from libs.conditions.comparisons import Scalar
from libs.runtime.clock import Micros
from services.tagging.domain.by_hand import Known
from services.tagging.domain.holding import Held


class Leaf(NamedTuple):
    """One part of a condition that has none itself; `path` is its place in the document."""

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


class Explanation(NamedTuple):
    """Everything that speaks for or against a tag; `found` is what the history says now."""

    person: bytes
    held: Held | None
    found: Scalar | None
    reasons: tuple[Reason, ...]
    by_hand: Known | None
    summary: str
