"""What somebody has by one definition, when all that speaks for and against it is known."""

from datetime import UTC, datetime
from typing import Literal

import msgspec

from libs.conditions.comparisons import Scalar
from libs.runtime.clock import SECOND, Micros

Origin = Literal["rule", "inferred", "by_hand", "imported"]
Against = Literal["condition", "expired", "cleared", "cleaned", "retired", "merged"]


class Verdict(msgspec.Struct, frozen=True, gc=False):
    """The value somebody has, None for having nothing; time alone won't change it before `changes_at`.

    `against` says why somebody does not have it, as far as this one look can tell. `set_by` is the event of whoever
    said so by hand. `since` is when it came about, where that is not the moment at which it was found. `points` are
    those of a score, in ten-thousandths, whatever its level.
    """

    value: Scalar | None
    changes_at: Micros | None = None
    of: str = ""
    origin: Origin = "rule"
    confidence: float = 1.0
    against: Against = "condition"
    set_by: bytes = b""
    since: Micros | None = None
    points: int | None = None


def earliest(one: Micros | None, other: Micros | None) -> Micros | None:
    """The earlier of two moments, where None is never."""
    if one is None or other is None:
        return other if one is None else one
    return min(one, other)


def told_moment(at: Micros) -> str:
    """A moment as the value of a tag: RFC 3339, in UTC, without what is below seconds."""
    return datetime.fromtimestamp(at // SECOND, UTC).isoformat(timespec="seconds")
