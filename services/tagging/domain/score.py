"""How sure a tag is of somebody, or how far they are: the score of a tag.

    Score
    ├── ByEvidence     events speak for or against it, and fade by halves
    └── ByRank         what the tag measures of somebody, among what it measures of everybody

A score lies between 0 and 1, in ten-thousandths. It is not kept: it is computed when it is read, from what is kept by
calendar day (`decay`, `ranking`). So it is a function of what happened, in whichever order that was read, and another
policy on the same days is as if it had stood from the beginning.
"""

from collections.abc import Mapping
from typing import Final, Literal, get_args

import msgspec

from libs.conditions.feature import features_of_did
from libs.conditions.features import Sections
from libs.conditions.tree import Amount, Did, Edge

Cut = Literal["daily", "weekly", "monthly"]
CUTS: Final[tuple[Cut, ...]] = get_args(Cut)

EVERY_DAY: Final = Amount(bound=None)
"""How often on each day, whenever that was."""

Days = Mapping[int, int]
"""What is kept by day, counted from 1970-01-01 in the tenant's zone; what is too long ago stands under `OLDER`."""

_NONE: Final[Days] = {}


class Level(msgspec.Struct, frozen=True, gc=False):
    """A name for scores of at least so many ten-thousandths."""

    name: str
    least: int


class Evidence(msgspec.Struct, frozen=True, gc=False):
    """Each time this happens brings so many ten-thousandths of a point; less than nothing speaks against the tag.

    `about` is its place in the section: "evidence[0]" or "feedback.ignored".
    """

    about: str
    did: Did
    weight: int


class ByEvidence(msgspec.Struct, frozen=True, gc=False):
    """A score by what somebody did, and how they took what was aimed at them.

    After `half_life` days a piece of evidence counts half. Fewer than `needed` pieces tell nothing. `half_at` are the
    ten-thousandths of points that make a score of 0.5. Levels stand from the highest to the lowest.
    """

    half_life: int
    evidence: tuple[Evidence, ...]
    needed: int
    half_at: int
    levels: tuple[Level, ...] = ()

    def conditions(self, tag: str) -> dict[str, Did]:
        """What is to be kept for it, by the name that it has in a plan."""
        return {f"{score_name(tag)}/evidence/{index}": one.did for index, one in enumerate(self.evidence)}


class ByRank(msgspec.Struct, frozen=True, gc=False):
    """A score by where somebody's number lies among everybody's, who are cut into so many parts of equal size.

    `did` measures it. With `edge` it counts by day in place of a tag that tells the first or last moment, and the
    number is the day of that. Levels stand from the highest to the lowest.
    """

    parts: int
    cut: Cut
    did: Did
    edge: Edge | None = None
    levels: tuple[Level, ...] = ()

    def conditions(self, tag: str) -> dict[str, Did]:
        """What is to be kept for it, by the name that it has in a plan."""
        return {f"{score_name(tag)}/number": self.did}


Score = ByEvidence | ByRank


class Scored(msgspec.Struct, frozen=True, gc=False):
    """A score in ten-thousandths, None where too little is known, and its level, empty for none.

    `pieces` are those of the evidence, 1 for what was measured, and 0 for nothing.
    """

    value: int | None
    level: str
    pieces: int


UNKNOWN: Final = Scored(None, "", 0)


def score_name(tag: str) -> str:
    """What conditions call the score of a tag."""
    return f"score:{tag}"


def level_of(levels: tuple[Level, ...], value: int | None) -> str:
    """The name of the highest level that a score reaches; empty for none."""
    if value is None:
        return ""
    return next((level.name for level in levels if value >= level.least), "")


class Places:
    """Where the days that a score reads stand among what is kept of somebody."""

    __slots__ = ("_places",)

    def __init__(self, score: Score, zone: str) -> None:
        """`zone` is the tenant's."""
        dids = [one.did for one in score.evidence] if isinstance(score, ByEvidence) else [score.did]
        self._places = [(one.section, one.key) for did in dids for one in features_of_did(did, zone)]

    def days(self, sections: Sections) -> list[Days]:
        """The days of each kind of evidence, or of what is measured; of an average also the number of readings."""
        return [sections[section].get(key, _NONE) for section, key in self._places]
