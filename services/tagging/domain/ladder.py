"""What tags, segments and tiers have in common: rungs, of which the first that holds gives the value."""

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any, ClassVar, Final, NamedTuple

import msgspec

from libs.conditions.comparisons import Scalar
from libs.conditions.event import key_of, scalar_of
from libs.conditions.numbers import fixed, shown
from libs.conditions.standing import Answer
from libs.conditions.tree import Amount, AnyOf, Condition, Did, Moment, Trait
from libs.conditions.windows import Days, Hours
from libs.runtime.clock import Micros
from services.tagging.domain.asked import Asked
from services.tagging.domain.by_hand import ByHand
from services.tagging.domain.definition import Definition
from services.tagging.domain.examples import Example
from services.tagging.domain.names import reference_of
from services.tagging.domain.values import ValueType
from services.tagging.domain.verdict import Against, Origin, Verdict, earliest, told_moment


class Rung(msgspec.Struct, frozen=True, gc=False):
    """A value and when somebody has it; with no value, it is what the condition measures."""

    value: Scalar | None
    condition: Condition


class Completion(msgspec.Struct, frozen=True, gc=False):
    """A value concluded for those of whom nothing better is known; `confidence` is above 0 and at most 1."""

    value: Scalar
    condition: Condition
    confidence: float


class _Step(NamedTuple):
    """A rung by its name in a plan. `drifts` and `says_of` say what follows of it beside its value."""

    name: str
    rung: Rung
    drifts: bool
    says_of: bool


class Laddered(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """One version of what is found by a ladder.

    `time_to_live` is how long a value that was set by hand or imported stands. Who meets `cleaning` has no value,
    whoever says so. `completions` come last.
    """

    tells_all: ClassVar[bool] = True

    version: int
    titles: Mapping[str, str]
    owner: str
    description: str
    value_type: ValueType = "flag"
    options: tuple[str, ...] = ()
    rungs: tuple[Rung, ...] = ()
    confidence: float = 1.0
    time_to_live: Micros | None = None
    cleaning: Condition | None = None
    completions: tuple[Completion, ...] = ()
    examples: tuple[Example, ...] = ()

    @property
    def name(self) -> str:
        """See `Definition`."""
        raise NotImplementedError

    @property
    def found_as(self) -> Origin:
        """How somebody comes by the value of a rung."""
        return "rule"

    @cached_property
    def _steps(self) -> tuple[_Step, ...]:
        """The rungs as they are gone through; people are answered by the thousand, so they are looked at once."""
        reference = reference_of(self.name)
        return tuple(
            _Step(f"{reference}/{n}", rung, _drifts(rung), _says_of(rung)) for n, rung in enumerate(self.rungs)
        )

    @property
    def rung_names(self) -> tuple[str, ...]:
        """The names of the rungs in a plan."""
        return tuple(step.name for step in self._steps)

    def cleaning_name(self) -> str:
        """The name of the cleaning in a plan."""
        return f"{reference_of(self.name)}/cleaning"

    def completion_name(self, index: int) -> str:
        """The name of a completion in a plan."""
        return f"{reference_of(self.name)}/completion/{index}"

    def conditions(self) -> dict[str, Condition]:
        """See `Definition`."""
        found = {step.name: step.rung.condition for step in self._steps}
        if self.cleaning is not None:
            found[self.cleaning_name()] = self.cleaning
        found |= {self.completion_name(index): one.condition for index, one in enumerate(self.completions)}
        return found

    def everything(self) -> Condition:
        """See `Definition`."""
        return AnyOf(tuple(self.conditions().values()))

    def placed(self) -> Iterator[tuple[str, Condition]]:
        """See `Definition`."""
        for index, rung in enumerate(self.rungs):
            ladder = self.value_type == "enum" and rung.value is not None
            yield f"ladder[{index}].when" if ladder else "when", rung.condition
        if self.cleaning is not None:
            yield "cleaning", self.cleaning
        for index, completion in enumerate(self.completions):
            yield f"completion[{index}].when", completion.condition

    def differences(self, former: Definition) -> Iterator[str]:
        """See `Definition`."""
        for field in self.__struct_fields__:
            if field != "version" and getattr(former, field, None) != getattr(self, field):
                yield _LINES.get(field, f"another {field.replace('_', ' ')}")

    def verdict(self, asked: Asked) -> Verdict:
        """What a person has: cleaning is above what was said by hand, which is above the rungs, which are above what
        is concluded.
        """
        changes_at: Micros | None = None
        if self.cleaning is not None:
            cleaned = asked.answer(self.cleaning_name())
            changes_at = cleaned.changes_at
            if cleaned.holds:
                return Verdict(None, changes_at, against="cleaned")
        by_hand = asked.said.get(self.name) if asked.said else None
        if by_hand is not None and (by_hand.expires_at is None or asked.now < by_hand.expires_at):
            return _said(by_hand, earliest(changes_at, by_hand.expires_at))
        return self._ruled(asked, changes_at, "condition" if by_hand is None else "expired")

    def _ruled(self, asked: Asked, changes_at: Micros | None, against: Against) -> Verdict:
        """What a person has by rungs and completions."""
        for name, rung, drifts, says_of in self._steps:
            found = asked.answer(name)
            if found.changes_at is not None:
                changes_at = earliest(changes_at, found.changes_at)
            if not found.holds:
                continue
            if drifts:
                changes_at = earliest(changes_at, asked.calendar.start_of(asked.day + 1))
            value = rung.value if rung.value is not None else self._measured(rung, found, asked)
            if value is not None:
                of = found.key or "" if says_of else ""
                return Verdict(value, changes_at, of, self.found_as, self.confidence)
        for index, completion in enumerate(self.completions):
            found = asked.answer(self.completion_name(index))
            changes_at = earliest(changes_at, found.changes_at)
            if found.holds:
                return Verdict(completion.value, changes_at, "", "inferred", completion.confidence)
        if changes_at is None and against == "condition":
            return _NOTHING
        return Verdict(None, changes_at, against=against)

    def _measured(self, rung: Rung, found: Answer, asked: Asked) -> Scalar | None:
        """What a rung without a value gives: what a trait says, or what was measured; None for what nobody can have."""
        if isinstance(rung.condition, Trait):
            return self._said(asked.standing.traits.get(rung.condition.name))
        assert isinstance(rung.condition, Did)
        test, value = rung.condition.test, found.value
        if isinstance(test, Amount) and test.per is not None:
            value = found.key
        elif isinstance(test, Moment) and isinstance(value, int):
            value = told_moment(value)
        if self.value_type == "number":
            return value if isinstance(value, int | float) and not isinstance(value, bool) else None
        return self._text(value)

    def _said(self, trait: Any) -> Scalar | None:
        value = scalar_of(trait)
        if self.value_type == "number":
            number = None if isinstance(value, bool) else fixed(value)
            return None if number is None else shown(number)
        return self._text(value)

    def _text(self, value: Any) -> str | None:
        text = key_of(value)
        return None if self.options and text not in self.options else text


_LINES: Final[Mapping[str, str]] = {
    "rungs": "other conditions",
    "titles": "other titles",
    "options": "other options",
    "examples": "other tests",
    "completions": "another completion",
}

_NO: Final[Scalar] = False
_NOTHING: Final = Verdict(None)  # of those who are answered, most have most definitions neither now nor later


def _said(by_hand: ByHand, changes_at: Micros | None) -> Verdict:
    origin: Origin = "imported" if by_hand.imported else "by_hand"
    value = None if by_hand.value is _NO else by_hand.value
    return Verdict(value, changes_at, by_hand.of, origin, 1.0, "cleared", by_hand.event_id)


def _drifts(rung: Rung) -> bool:
    """Whether the value, or what it is about, may be another after midnight although the condition holds all the same.

    Whoever is due for nothing costs as much as whoever is not, and at midnight all of them come at once.
    """
    condition = rung.condition
    if not isinstance(condition, Did) or not isinstance(condition.test, Amount):
        return False
    measured = rung.value is None or condition.test.per is not None
    return measured and isinstance(condition.test.window, Days)


def _says_of(rung: Rung) -> bool:
    """Whether it says the item or category that a value is about. Within hours the one that has the most changes at any
    time, so it is none there.
    """
    if rung.value is None or not isinstance(rung.condition, Did) or not isinstance(rung.condition.test, Amount):
        return False
    return not isinstance(rung.condition.test.window, Hours)
