"""What differs between two versions of a projection: of one key, and counted over many."""

from hashlib import blake2b
from typing import Any, Final, Generic

import msgspec

from libs.eventlog.projection import Description, Folded, LazyProjection, State
from libs.eventlog.snapshots import KeyOfTenant

MOST_CHANGES: Final = 100  # of one key; the rest is only counted
_MODULUS: Final = 1 << 128


class Change(msgspec.Struct, frozen=True, gc=False):
    """One entry of a field that two states say differently; None where a state says nothing."""

    field: str
    entry: str
    before: Any
    after: Any


class Difference(msgspec.Struct, frozen=True, gc=False):
    """How the state of one key differs at one position; `more` changes are not listed."""

    tenant: str
    key: bytes
    partition: int
    position: int
    changes: list[Change]
    more: int = 0


class Found(msgspec.Struct):
    """What comparing has found so far. Hashes are of all states of a version, whatever their order."""

    keys: int = 0
    differing: int = 0
    parked_before: int = 0
    parked_after: int = 0
    hash_before: str = ""
    hash_after: str = ""
    fields: dict[str, int] = {}

    def add(self, other: "Found") -> None:
        """Take in what was found elsewhere."""
        self.keys += other.keys
        self.differing += other.differing
        self.parked_before += other.parked_before
        self.parked_after += other.parked_after
        self.hash_before = _sum(self.hash_before, other.hash_before)
        self.hash_after = _sum(self.hash_after, other.hash_after)
        for field, keys in other.fields.items():
            self.fields[field] = self.fields.get(field, 0) + keys


class Comparison(Generic[State]):
    """Compares two versions' states of one key after another."""

    def __init__(self, before: LazyProjection[State], after: LazyProjection[State]) -> None:
        self._before = before
        self._after = after

    def compare(
        self, key: KeyOfTenant, partition: int, position: int, before: Folded[State], after: Folded[State]
    ) -> tuple[Found, Difference | None]:
        """Both states, folded up to the same position (or parked before it), and how they differ, if they do."""
        old, new = self._before.hash(before.state), self._after.hash(after.state)
        found = Found(
            keys=1,
            parked_before=int(before.parked is not None),
            parked_after=int(after.parked is not None),
            hash_before=_of(key, old),
            hash_after=_of(key, new),
        )
        if old == new and _parked_at(before) == _parked_at(after):
            return found, None
        changed = changes(_described(self._before, before), _described(self._after, after))
        found.differing = 1
        found.fields = {change.field: 1 for change in changed}
        return found, Difference(
            *key, partition, position, changed[:MOST_CHANGES], more=max(0, len(changed) - MOST_CHANGES)
        )


def changes(before: Description, after: Description) -> list[Change]:
    """Entry by entry, in the order of fields and entries."""
    found = []
    for field in sorted(before.keys() | after.keys()):
        olds, news = before.get(field, {}), after.get(field, {})
        found += [
            Change(field, entry, olds.get(entry), news.get(entry))
            for entry in sorted(olds.keys() | news.keys())
            if olds.get(entry) != news.get(entry)
        ]
    return found


def _described(projection: LazyProjection[State], folded: Folded[State]) -> Description:
    said = projection.describes(folded.state)
    return said if folded.parked is None else {**said, "parked_at": {"": _parked_at(folded)}}


def _parked_at(folded: Folded[State]) -> int | None:
    return folded.parked.recorded.position if folded.parked is not None else None


def _of(key: KeyOfTenant, fingerprint: bytes) -> str:
    tenant, anchor = key
    return blake2b(tenant.encode() + b"\0" + anchor + fingerprint, digest_size=16).hexdigest()


def _sum(one: str, other: str) -> str:
    """Sums hang on no order, and unlike differences of bits they do not cancel out."""
    return f"{(int(one or '0', 16) + int(other or '0', 16)) % _MODULUS:032x}"
