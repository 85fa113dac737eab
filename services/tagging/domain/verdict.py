"""What somebody has of one tag, when all that speaks for and against it is known."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final, Literal

import msgspec

from libs.conditions.calendar import Calendar
from libs.conditions.comparisons import Scalar
from libs.conditions.event import key_of
from libs.conditions.standing import Answer
from libs.conditions.tree import Amount, Did, Moment
from libs.conditions.windows import Days, Hours
from libs.runtime.clock import SECOND, Micros
from services.tagging.domain.by_hand import ByHand
from services.tagging.domain.definition import Rung, TagDefinition, cleaning_name, completion_name, rung_name

Origin = Literal["rule", "inferred", "by_hand", "imported"]
Against = Literal["condition", "expired", "cleared", "cleaned", "retired", "merged"]


class Verdict(msgspec.Struct, frozen=True, gc=False):
    """The value somebody has, None for not having the tag; time alone won't change it before `changes_at`.

    `against` says why somebody does not have it, as far as this one look can tell. `set_by` is the event of whoever
    said so by hand.
    """

    value: Scalar | None
    changes_at: Micros | None = None
    of: str = ""
    origin: Origin = "rule"
    confidence: float = 1.0
    against: Against = "condition"
    set_by: bytes = b""


def verdict(
    definition: TagDefinition,
    answer: Callable[[str], Answer],
    by_hand: ByHand | None,
    now: Micros,
    calendar: Calendar,
) -> Verdict:
    """What a person has of a tag at a moment; `calendar` is the tenant's.

    `answer` answers what `definition.conditions()` names. Cleaning is above what was said by hand, which is above the
    rungs, which are above what is concluded.
    """
    changes_at: Micros | None = None
    if definition.cleaning is not None:
        cleaned = answer(cleaning_name(definition.key))
        changes_at = cleaned.changes_at
        if cleaned.holds:
            return Verdict(None, changes_at, against="cleaned")
    if by_hand is not None and (by_hand.expires_at is None or now < by_hand.expires_at):
        return _said(by_hand, earliest(changes_at, by_hand.expires_at))
    for index, rung in enumerate(definition.rungs):
        found = answer(rung_name(definition.key, index))
        changes_at = earliest(changes_at, found.changes_at)
        value = _value(definition, rung, found) if found.holds else None
        if found.holds and _drifts(rung):
            changes_at = earliest(changes_at, calendar.start_of(calendar.day(now) + 1))
        if value is not None:
            origin: Origin = "inferred" if definition.source == "inferred" else "rule"
            return Verdict(value, changes_at, _of(rung, found), origin, definition.confidence)
    for index, completion in enumerate(definition.completions):
        found = answer(completion_name(definition.key, index))
        changes_at = earliest(changes_at, found.changes_at)
        if found.holds:
            return Verdict(completion.value, changes_at, "", "inferred", completion.confidence)
    return Verdict(None, changes_at, against="condition" if by_hand is None else "expired")


def earliest(one: Micros | None, other: Micros | None) -> Micros | None:
    """The earlier of two moments, where None is never."""
    if one is None or other is None:
        return other if one is None else one
    return min(one, other)


def told_moment(at: Micros) -> str:
    """A moment as the value of a tag: RFC 3339, in UTC, without what is below seconds."""
    return datetime.fromtimestamp(at // SECOND, UTC).isoformat(timespec="seconds")


_NO: Final[Scalar] = False


def _said(by_hand: ByHand, changes_at: Micros | None) -> Verdict:
    origin: Origin = "imported" if by_hand.imported else "by_hand"
    value = None if by_hand.value is _NO else by_hand.value
    return Verdict(value, changes_at, by_hand.of, origin, 1.0, "cleared", by_hand.event_id)


def _value(definition: TagDefinition, rung: Rung, found: Answer) -> Scalar | None:
    """What a rung gives: its own value, or what was measured; None for what the tag can't have."""
    if rung.value is not None:
        return rung.value
    assert isinstance(rung.condition, Did)
    test, value = rung.condition.test, found.value
    if isinstance(test, Amount) and test.per is not None:
        value = found.key
    elif isinstance(test, Moment) and isinstance(value, int):
        value = told_moment(value)
    if definition.value_type == "number":
        return value if isinstance(value, int | float) and not isinstance(value, bool) else None
    text = key_of(value)
    return None if definition.options and text not in definition.options else text


def _drifts(rung: Rung) -> bool:
    """Whether the value, or what it is about, may be another after midnight although the condition holds all the same.

    Whoever is due for nothing costs as much as whoever is not, and at midnight all of them come at once.
    """
    condition = rung.condition
    if not isinstance(condition, Did) or not isinstance(condition.test, Amount):
        return False
    measured = rung.value is None or condition.test.per is not None
    return measured and isinstance(condition.test.window, Days)


def _of(rung: Rung, found: Answer) -> str:
    """The item or category that a value is about. Within hours the one that has the most changes at any time, so it is
    none there.
    """
    if rung.value is None or not isinstance(rung.condition, Did) or not isinstance(rung.condition.test, Amount):
        return ""
    return "" if isinstance(rung.condition.test.window, Hours) else found.key or ""
