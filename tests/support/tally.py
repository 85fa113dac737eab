"""A projection for tests: what was added to a tally, and by how many events."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

import msgspec

from libs.eventlog.event import Recorded
from libs.eventlog.projection import Handled, LazyProjection

ADDED: Final = "added"
POISON: Final = "poison"


class Tally(msgspec.Struct):
    """Commutes: sums, and the set of positions that made them."""

    total: int = 0
    positions: list[int] = []
    trimmed: int = 0


def add(tally: Tally, recorded: Recorded) -> Tally:
    """Fails on anything but a number, and only after it has changed the state: the worst that a handler may do."""
    tally.positions = sorted([*tally.positions, recorded.position])
    tally.total += int(recorded.event.payload)
    return tally


def combine(one: Tally, other: Tally) -> Tally:
    return Tally(one.total + other.total, sorted([*one.positions, *other.positions]))


TALLY: Final = LazyProjection(
    name="tally",
    version=1,
    snapshots="portraits",
    handles={ADDED: Handled(1, add)},
    initial=Tally,
    combine=combine,
    encode=msgspec.json.encode,
    decode=msgspec.json.Decoder(Tally).decode,
)


def handling(handles: Mapping[str, Handled[Tally]]) -> LazyProjection[Tally]:
    """The tally of another release, which handles events in its own way."""
    return replace(TALLY, handles=handles)


def _add_or_one(tally: Tally, recorded: Recorded) -> Tally:
    tally.positions = sorted([*tally.positions, recorded.position])
    tally.total += 1 if recorded.event.payload == POISON.encode() else int(recorded.event.payload)
    return tally


MENDED: Final = handling({ADDED: Handled(1, _add_or_one)})
"""A release in which poison counts as one."""
