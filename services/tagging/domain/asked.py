"""A person at a moment, as definitions are asked of them."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from libs.conditions.calendar import Calendar
from libs.conditions.features import Features
from libs.conditions.standing import Answer, Standing
from libs.runtime.clock import Micros
from services.tagging.domain.by_hand import ByHand


class Asked(NamedTuple):
    """All that a verdict may come of. `answer` answers a definition's conditions, by their names in a plan.

    `features` are None for one of whom no event was ever seen. `said` is what was said of them by hand, by name of the
    definition. `calendar` is the tenant's.
    """

    answer: Callable[[str], Answer]
    features: Features | None
    standing: Standing
    said: Mapping[str, ByHand]
    now: Micros
    calendar: Calendar

    @property
    def day(self) -> int:
        """The day of the tenant's calendar that it is."""
        return self.calendar.day(self.now)

    @property
    def known(self) -> bool:
        """Whether anything is known of them at all."""
        return self.features is not None or bool(self.said)
