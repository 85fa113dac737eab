"""Portraits of groups in words: what characteristics and values are called, and which of them set a group apart."""

from collections.abc import Mapping
from math import inf, log
from typing import Final, NamedTuple

from portrait.tagging.v1 import group_portrait_pb2 as pb

_WHOLE: Final = 100
_SCORE: Final[Mapping[str, str]] = {"en": "{title} (score)", "zh": "{title}（得分）"}
_EACH: Final = 2


class Standout(NamedTuple):
    """A value that is commoner, or rarer, in the group for certain."""

    distribution: pb.Distribution
    row: pb.DistributionRow


def titled(titles: Mapping[str, str], key: str, language: str) -> str:
    """What something is called in a language, else in any that it has a title in, else its key."""
    return titles.get(language) or next((titles[one] for one in sorted(titles)), key)


def title_of(one: pb.Distribution, language: str) -> str:
    """What a characteristic is called; a score has the title of its tag."""
    title = titled(one.titles, one.reference.removeprefix("tag:"), language)
    return _SCORE[language].format(title=title) if one.reference.startswith("score:") else title


def value_of(one: pb.Distribution, row: pb.DistributionRow, language: str) -> str:
    """What a value is called: a bin by its ends, an hour as 09:00, a flag by its own title."""
    match one.kind:
        case pb.DISTRIBUTION_KIND_FLAG:
            return title_of(one, language)
        case pb.DISTRIBUTION_KIND_HOURS:
            return f"{int(row.value):02}:00" if row.value.isdigit() else row.value
        case pb.DISTRIBUTION_KIND_NUMBERS:
            return amount(row.low) if row.low == row.high else f"{amount(row.low)} – {amount(row.high)}"
        case _:
            return titled(row.titles, row.value, language)


def amount(number: float) -> str:
    """A number as people read it: thousands apart, and two decimals at the most where it is below a hundred."""
    return f"{number:,.2f}".removesuffix(".00") if abs(number) < _WHOLE else f"{number:,.0f}"


def standouts(portrait: pb.GetGroupPortraitResponse, most: int) -> list[Standout]:
    """What sets the group apart most, by the end of each interval that is nearest to 100; the highest index first.

    Of one characteristic two values at the most; and nothing that says only who the group is.
    """
    found = [one for distribution in portrait.distributions for one in _telling(distribution, portrait.group)[:_EACH]]
    surest = sorted(found, key=_caution, reverse=True)[:most]
    return sorted(surest, key=lambda one: -one.row.comparison.index.value)


def _telling(distribution: pb.Distribution, group: int) -> list[Standout]:
    found = [Standout(distribution, row) for row in distribution.rows if row.comparison.telling]
    return sorted((one for one in found if not _is_the_group(one.row.comparison, group)), key=_caution, reverse=True)


def _is_the_group(one: pb.Comparison, group: int) -> bool:
    return one.group == one.everyone == group


def _caution(one: Standout) -> float:
    """How far from 100 it is at least; twice as common is as far as half as common."""
    index = one.row.comparison.index
    nearest = index.low if index.value > 100 else index.high  # noqa: PLR2004  as everyone
    return abs(log(nearest / 100)) if 0 < nearest < inf else 0.0
