"""What holds of a person at a moment, from outside the features; and what a condition answers."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Any, Final

import msgspec

from libs.runtime.clock import Micros

_NOTHING: Final[Mapping[str, Any]] = {}


class Standing(msgspec.Struct, frozen=True, gc=False):
    """What a condition reads of a person beside their events.

    `traits` are the surviving values; `tags` hold true for a flag, else their value; `scores` are ten-thousandths, see
    `numbers.fixed`; `zone` is the person's IANA zone as it is known, valid or not.
    """

    traits: Mapping[str, Any] = _NOTHING
    tags: Mapping[str, Any] = _NOTHING
    scores: Mapping[str, int] = _NOTHING
    stages: AbstractSet[str] = frozenset()
    tiers: AbstractSet[str] = frozenset()
    segments: AbstractSet[str] = frozenset()
    zone: str = ""


NOBODY: Final = Standing()

Value = int | float | str | None


class Answer(msgspec.Struct, frozen=True, gc=False):
    """Whether a condition holds.

    `changes_at` is a moment before which time alone can't change that: it may be too early, never too late, and is None
    if time alone never will. `value` is what was measured where the condition is one leaf: a number, or for `first` and
    `last` the microseconds of the moment, or the value of a property; `key` is the value of `per` that has the most.
    """

    holds: bool
    changes_at: Micros | None = None
    value: Value = None
    key: str | None = None
