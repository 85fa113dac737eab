"""Cuts: the thresholds by which people are ranked, each from the beginning of a day on."""

from collections.abc import Collection
from datetime import date, timedelta
from hashlib import blake2b
from typing import Final, assert_never

import msgspec

from services.tagging.domain.score import ByRank, Cut

_EPOCH: Final = date(1970, 1, 1)


class CutMade(msgspec.Struct, frozen=True):
    """One cut of everybody by what a tag measures, as of the beginning of a day. `version` counts those of a tag.

    `measure` tells what was measured, and into how many parts: whoever measures otherwise is not ranked by it.
    """

    tag: str
    measure: bytes
    day: int
    thresholds: tuple[int, ...]
    population: int
    version: int
    event_id: bytes


def measure_of(rank: ByRank) -> bytes:
    """What tells one way to rank from all others, 8 bytes."""
    return blake2b(repr((rank.parts, rank.edge, rank.did)).encode(), digest_size=8).digest()


def boundary(cut: Cut, day: int) -> int:
    """The last day, this one included, with which a day, a week (Monday) or a month begins."""
    match cut:
        case "daily":
            return day
        case "weekly":
            return day - (_EPOCH + timedelta(day)).weekday()
        case "monthly":
            return day - (_EPOCH + timedelta(day)).day + 1
        case _:
            assert_never(cut)


def cut_id(tenant: str, tag: str, measure: bytes, day: int) -> bytes:
    """The id of the event that tells of a cut: there is one, whoever makes it."""
    about = b"%b\0%b\0%b\0%d" % (tenant.encode(), tag.encode(), measure, day)
    return blake2b(about, digest_size=16, person=b"portrait cut").digest()


def newest(cuts: Collection[CutMade], tag: str, measure: bytes, until: int | None = None) -> CutMade | None:
    """The last cut of a tag by a measure, up to a day if one is given."""
    fitting = [one for one in cuts if (one.tag, one.measure) == (tag, measure) and (until is None or one.day <= until)]
    return max(fitting, key=lambda one: one.day, default=None)
