"""What is said of people by hand or by a file; it stands above what rules find."""

from collections.abc import Collection
from typing import NamedTuple

import msgspec

from libs.conditions.comparisons import Scalar
from libs.runtime.clock import Micros


class ByHand(msgspec.Struct, frozen=True, gc=False):
    """What somebody, or a file, says of one tag of one person; of several the last stands. False: not the tag."""

    value: Scalar
    set_at: Micros
    event_id: bytes
    of: str = ""
    expires_at: Micros | None = None
    imported: bool = False


class Told(NamedTuple):
    """What is to be said of one tag of whoever an identifier belongs to; no value takes back what was said."""

    identifier: bytes
    tag: str
    value: Scalar | None
    of: str
    said_at: Micros
    expires_at: Micros | None
    by: str
    import_id: str
    event_id: bytes


class Known(NamedTuple):
    """What stands, and who said so."""

    identifier: bytes
    tag: str
    said: ByHand
    by: str


def standing(known: Collection[Known]) -> dict[str, Known]:
    """What stands of a person by tag: of several identifiers what was said last."""
    found: dict[str, Known] = {}
    for one in known:
        other = found.get(one.tag)
        if other is None or (other.said.set_at, other.said.event_id) < (one.said.set_at, one.said.event_id):
            found[one.tag] = one
    return found
