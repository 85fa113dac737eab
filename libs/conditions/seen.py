"""A person as they are seen at a moment, and what a part of a condition says of them."""

from collections.abc import Callable
from typing import Final, NamedTuple

import msgspec

from libs.conditions.features import Features
from libs.conditions.standing import Standing, Value
from libs.runtime.clock import Micros


class Seen(NamedTuple):
    """A person's features and standing, at a moment of a day of the tenant's calendar."""

    features: Features
    standing: Standing
    now: Micros
    today: int


class Result(msgspec.Struct, frozen=True, gc=False):
    """As `Answer`, but that a number measured is `measured[0] / measured[1]` ten-thousandths."""

    holds: bool
    changes_at: Micros | None = None
    measured: tuple[int, int] | None = None
    value: Value = None
    key: str | None = None


Reader = Callable[[Seen], Result]

YES: Final = Result(holds=True)
NO: Final = Result(holds=False)


def either(results: list[Result]) -> tuple[bool, Micros | None]:
    """Whether one of several holds, and until when at least that stays so.

    As long as one of those that hold goes on to hold, one does: the last of them to change decides. If none holds, the
    first to change does.
    """
    holding = [result.changes_at for result in results if result.holds]
    if not holding:
        return False, min((one.changes_at for one in results if one.changes_at is not None), default=None)
    moments = [moment for moment in holding if moment is not None]
    return True, max(moments) if len(moments) == len(holding) else None
