"""What other rules or decisions would change, before anything does."""

import msgspec

from services.identity.domain.changes import PersonsMerged, PersonsSplit, places, regrouped
from services.identity.domain.resolution import Resolution
from services.identity.domain.standing import Case


class Preview(msgspec.Struct, frozen=True):
    """`merged` people would be several of today's, `split` ones of today would come apart, `moved` places (identifiers
    and spans) would be another person's, and so many more would be `shared`; `sample` shows the first of each.
    """

    merged: int
    split: int
    moved: int
    shared: int
    sample: tuple[PersonsMerged | PersonsSplit, ...] = ()


def preview(case: Case, before: Resolution, after: Resolution, sample: int = 20) -> Preview:
    """Compare two resolutions of the same evidence and decisions, those of `case`."""
    told = regrouped(before, after, case.evidence.seen.keys() | case.decisions.types.keys(), b"")
    merged = [one for one in told if isinstance(one, PersonsMerged)]
    split = [one for one in told if isinstance(one, PersonsSplit)]
    was, now = places(before), places(after)
    return Preview(
        len(merged),
        len(split),
        sum(was.get(place) != now.get(place) for place in was.keys() | now.keys()),
        _shared(after) - _shared(before),
        (*merged[:sample], *split[:sample]),
    )


def _shared(found: Resolution) -> int:
    return sum(mark == "shared" for mark in found.marks.values())
