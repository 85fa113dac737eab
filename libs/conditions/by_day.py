"""What conditions answer for any day of the tenant, past or to come, from what is kept by the day.

A day has two phases: it begins, when windows have moved on and nothing of the day has happened yet; and then it is
whole, with its events. What was known in a phase is what is kept, cut off there. So a condition answers what it would
have answered then, had everything come on time; in whichever order it did come.

What is kept of these conditions goes back `KEPT_DAYS` before the newest of its kind, so that the answer for a day does
not change because time has passed since. All that is older counts as one, as having been before everything else.
"""

from collections.abc import Iterator, Mapping
from typing import Final, Literal, NamedTuple

from msgspec.structs import replace

from libs.conditions.calendar import Zones
from libs.conditions.days_held import DaysReader, Past, days_of_amount, days_of_moment, days_reader
from libs.conditions.feature import Feature, features_of_did
from libs.conditions.features import Features
from libs.conditions.references import leaves
from libs.conditions.states import OLDER
from libs.conditions.tree import Amount, Condition, Did, Moment
from libs.conditions.windows import EVER, Between

KEPT_DAYS: Final = 3_660
"""Ten years."""

Phase = Literal["begun", "whole"]
"""A day at its beginning, before its events; or with them."""


def features_by_day(condition: Condition, zone: str) -> Iterator[Feature]:
    """What must be kept to answer a condition for any day; it has to pass `check_by_day`."""
    for leaf in leaves(condition):
        assert isinstance(leaf, Did), "which was checked"
        yield from _kept(leaf, zone)


class Turn(NamedTuple):
    """A phase of a day in which answers turn, and the bits of those conditions, in their order."""

    day: int
    phase: Phase
    turned: int


class Answers(NamedTuple):
    """Of one person, from the `first` day with events that the conditions may read; `last` is the last such day.

    `held` are the days on which each condition holds, see `days_held.py`.
    """

    first: int
    last: int
    held: Mapping[str, int]

    def holds(self, name: str, day: int, phase: Phase) -> bool:
        """What a condition answers in a phase of a day; before the first it answers as of nobody."""
        return bool(self.held[name] >> max(0, 2 * (day - self.first) + (phase == "whole")) & 1)

    def turns(self) -> Iterator[Turn]:
        """Where any answer turns, in order; from all that hold of nobody on."""
        turned: dict[int, int] = {}
        for number, held in enumerate(self.held.values()):
            digits = bin(held ^ held << 1)[:1:-1]
            at = digits.find("1")
            while at >= 0:
                turned[at] = turned.get(at, 0) | 1 << number
                at = digits.find("1", at + 1)
        for at in sorted(turned):
            yield Turn(self.first + at // 2, "whole" if at & 1 else "begun", turned[at])


class ByDay:
    """Conditions by name, to be answered for all days of any person; it never changes."""

    def __init__(self, conditions: Mapping[str, Condition], zones: Zones) -> None:
        """The conditions have to pass `check_by_day`; the days are those of the tenant's calendar."""
        self.calendar: Final = zones.tenant
        self._readers: Final = {name: days_reader(one, self._leaf) for name, one in conditions.items()}
        kept = {feature for one in conditions.values() for feature in features_by_day(one, self.calendar.zone.key)}
        self._kept: Final = [(one.section, one.key, one.shape == "span") for one in kept]

    def answers(self, features: Features) -> Answers | None:
        """All answers about a person; None for somebody who did nothing that the conditions read."""
        days = set[int]()
        for section, key, once in self._kept:
            state = features.sections[section].get(key)
            if state is not None:
                days.update([self.calendar.day(state[0])] if once else state)
        days.discard(OLDER)
        if not days:
            return None
        first = min(days)
        past = Past(features, first)
        return Answers(first, max(days), {name: read(past) for name, read in self._readers.items()})

    def _leaf(self, did: Did) -> DaysReader:
        kept = tuple(_kept(did, self.calendar.zone.key))
        if isinstance(did.test, Amount):
            return days_of_amount(did.test, kept)
        assert isinstance(did.test, Moment), "which was checked"
        return days_of_moment(did.test, kept[0], self.calendar.day)


def _kept(did: Did, zone: str) -> Iterator[Feature]:
    plain = did
    if isinstance(did.test, Amount) and isinstance(did.test.window, Between):
        plain = replace(did, test=replace(did.test, window=EVER))
    for kept in features_of_did(plain, zone):
        yield kept if kept.shape == "span" else replace(kept, keep=KEPT_DAYS)
