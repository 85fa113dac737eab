"""`python -m examples.shop.faults`: whom the planted faults hit and since when, as tags tell it; and how true it is."""

import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import accumulate
from typing import Final

from examples.shop.clicks import CHECKOUT_BUG, PAYMENT_ERROR, clicks
from examples.shop.conversion import ZONE, interactions
from examples.tags.documents import definitions
from examples.tags.interactions import read
from examples.tags.replay import Change, replay

FAULTS: Final = {"checkout_loop": CHECKOUT_BUG, "payment_failed_silently": PAYMENT_ERROR}
"""Tags, and the marker in the data of the fault that they are to find."""

_WEEK: Final = 7
_LEAST: Final = 5  # people; fewer in a week are chance
_TIMES: Final = 3  # as many as in any week before


@dataclass(frozen=True, slots=True)
class Outbreak:
    """A week with far more people than any before: when it was noticed, and since when it had been so."""

    noticed: date
    began: date


@dataclass(frozen=True, slots=True)
class Finding:
    """What a tag says of a fault, beside what its markers in the data say."""

    outbreak: Outbreak | None
    tagged: frozenset[str]
    hit: frozenset[str]
    first: date
    last: date


def find(tag: str) -> Finding:
    """What a tag finds; `tagged` are those who got it while the fault was there, or on the day after."""
    definition = definitions("shop")[tag]
    events = (read(document, "user_id") for document in interactions())
    gained = [change for change in replay(definition, events, ZONE.key) if change.value is not None]
    marked = [(click.user, click.at.date()) for click in clicks() if click.event == FAULTS[tag]]
    first, last = min(day for _, day in marked), max(day for _, day in marked)
    return Finding(
        outbreak(day_of(change) for change in gained),
        frozenset(one.person for one in gained if first <= day_of(one) <= last + timedelta(days=1)),
        frozenset(user for user, _ in marked),
        first,
        last,
    )


def outbreak(days: Iterable[date]) -> Outbreak | None:
    """The first week that at least five people got a tag, and three times as many as in any week that had ended.

    It began with the shortest stretch of days that would have been noticed by itself.
    """
    gained = Counter(days)
    if not gained:
        return None
    first, length = min(gained), (max(gained) - min(gained)).days + 1
    by_day = [gained[first + timedelta(days=place)] for place in range(length)]
    weeks = [sum(by_day[max(0, place - _WEEK + 1) : place + 1]) for place in range(length)]
    for place, week in enumerate(weeks):
        enough = max(_LEAST, _TIMES * max(weeks[: max(0, place - _WEEK + 1)], default=0))
        if week >= enough:
            return Outbreak(first + timedelta(days=place), first + timedelta(days=_shortest(by_day, place, enough)))
    return None


def _shortest(by_day: Sequence[int], last: int, enough: int) -> int:
    """The latest day from which on to the last there were enough."""
    sums = accumulate(reversed(by_day[: last + 1]))
    return last - next(length for length, gained in enumerate(sums) if gained >= enough)


def day_of(change: Change) -> date:
    """The shop's day of a change."""
    return datetime.fromtimestamp(change.at / 1_000_000, ZONE).date()


def main() -> None:
    """Tell what the tags find."""
    for tag in FAULTS:
        found = find(tag)
        since = "never noticed"
        if found.outbreak is not None:
            since = f"since {found.outbreak.began}, noticed {found.outbreak.noticed}"
        hit = f"{len(found.tagged & found.hit)} of the {len(found.hit)} hit"
        marked = f"marked from {found.first} to {found.last}"
        sys.stdout.write(f"{tag}: {since} ({marked}); {len(found.tagged)} people tagged meanwhile, {hit}\n")


if __name__ == "__main__":
    main()
