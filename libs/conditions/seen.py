"""A person as they are seen at a moment, and what a part of a condition says of them."""

from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from libs.conditions.features import Sections
from libs.conditions.sliding import Slid
from libs.conditions.standing import Answer, Standing
from libs.runtime.clock import Micros


class Seen(msgspec.Struct, frozen=True, gc=False):
    """A person's features by section, and standing, at a moment of a day of the tenant's calendar."""

    sections: Sections
    standing: Standing
    now: Micros
    today: int


Reader = Callable[[Seen], Answer]

YES: Final = Answer(holds=True)
NO: Final = Answer(holds=False)


def either(answers: Sequence[Answer | Slid]) -> tuple[bool, Micros | None]:
    """Whether one of several holds, and until when at least that stays so.

    As long as one of those that hold goes on to hold, one does: the last of them to change decides. If none holds, the
    first to change does.
    """
    holding = [one.changes_at for one in answers if one.holds]
    if not holding:
        return False, min((one.changes_at for one in answers if one.changes_at is not None), default=None)
    moments = [moment for moment in holding if moment is not None]
    return True, max(moments) if len(moments) == len(holding) else None
