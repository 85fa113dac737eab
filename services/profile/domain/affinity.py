"""Affinities: what a person is drawn to. Whole weights by day are kept; the decay is worked out when somebody reads."""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from math import fsum
from operator import mul
from typing import Any, Final

import msgspec

from services.profile.domain import day_counts
from services.profile.domain.day_counts import DayCounts
from services.profile.domain.schema import DIMENSIONS, Dimensions, EventReading

Affinities = dict[str, dict[str, DayCounts]]
"""Dimension → key → weight by day."""

HALF_LIFE: Final = 30
"""Days in which a weight loses half its force."""
SHOWN: Final = 100
"""Affinities shown of one dimension."""

LINES_COUNTED: Final = 500
"""Lines of one event that speak for something; no basket is longer, and a portrait must stay small."""

_FORGOTTEN: Final = 40 * HALF_LIFE  # a millionth of a millionth is left
_LONGEST: Final = 256
_LARGEST: Final = 2**63


class Affinity(msgspec.Struct, frozen=True, gc=False):
    """How much the person is drawn to something; negative where it was refused more than wanted.

    `score` is the sum of weight · 2^(-age in days / HALF_LIFE), nothing after 40 half-lives; `weight` the sum without
    decay; `last_day` is counted from 1970-01-01.
    """

    dimension: str
    key: str
    score: float
    weight: int
    last_day: int


def draw(affinities: Affinities, reading: EventReading, properties: Mapping[str, Any], source: str, day: int) -> None:
    """Record what an event speaks for; each of its first `LINES_COUNTED` lines counts.

    `source` stands for the channel where no property names one; it is empty where the event says nothing of channels.
    """
    weight = reading.weight
    _add(affinities, reading.dimensions, properties, source, weight, day)
    if reading.lines and isinstance(lines := properties.get(reading.lines), list):
        for line in lines[:LINES_COUNTED]:
            if isinstance(line, dict):
                _add(affinities, reading.line_dimensions, line, "", weight, day)


def union(a: Affinities, b: Affinities) -> Affinities:
    """Both together, as a new section."""
    return {name: _union(a.get(name, {}), b.get(name, {})) for name in a.keys() | b.keys()}


def affinities_now(affinities: Affinities, today: int) -> tuple[Affinity, ...]:
    """Up to `SHOWN` of each dimension, strongest first; days after today do not count yet."""
    left = _left_on(today).__getitem__
    shown: list[Affinity] = []
    for dimension in DIMENSIONS:
        ranked: list[tuple[float, int, str, int]] = []  # negated, so that the strongest comes first
        for key, days in affinities.get(dimension, {}).items():
            if len(days) == 1:  # as most have, and a good deal faster
                ((day, weight),) = days.items()
                ranked.append((-weight * left(day), -weight, key, day))
            else:  # fsum rounds once, so that the order of days can't be seen
                score = fsum(map(mul, days.values(), map(left, days)))
                ranked.append((-score, -day_counts.total(days), key, max(days)))
        ranked.sort()
        # Subtracted from zero rather than negated: a score of -0.0 would be sent, 0.0 is not.
        shown += [Affinity(dimension, key, 0.0 - down, -light, last) for down, light, key, last in ranked[:SHOWN]]
    return tuple(shown)


def _add(
    affinities: Affinities, dimensions: Dimensions, properties: Mapping[str, Any], source: str, weight: int, day: int
) -> None:
    """Add the weight to what is named in each dimension."""
    for dimension, names in dimensions:
        key = _named(names, properties) or (source if dimension == "channel" else "")
        if not key:
            continue
        known = affinities.get(dimension)
        if known is None:
            known = affinities[dimension] = {}
        days = known.get(key)
        if days is None:
            known[key] = {day: weight}
        else:
            day_counts.add(days, day, weight)


def _named(names: Iterable[str], properties: Mapping[str, Any]) -> str:
    """The key in the first of some properties that holds one; empty where none does."""
    for name in names:
        value = properties.get(name)
        if type(value) is str:
            if 0 < len(value) <= _LONGEST:
                return value
        elif type(value) is int and -_LARGEST <= value < _LARGEST:
            return str(value)
    return ""


def _union(a: Mapping[str, DayCounts], b: Mapping[str, DayCounts]) -> dict[str, DayCounts]:
    united = {key: days.copy() for key, days in a.items()}
    for key, days in b.items():
        united[key] = day_counts.union(united[key], days) if key in united else days.copy()
    return united


class _Left(dict[int, float]):
    """Day → what is left of a weight of one; nothing of days that are forgotten or have not come yet."""

    def __missing__(self, day: int) -> float:
        return 0.0


@lru_cache(maxsize=16)
def _left_on(today: int) -> _Left:
    return _Left({today - age: 2.0 ** (-age / HALF_LIFE) for age in range(_FORGOTTEN)})
