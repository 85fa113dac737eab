"""What a consumer remembers of rows that it has read, as long as nobody else can have touched them.

The rows of an anchor are written with its events alone, and of these nobody but this consumer has folded any if its
partition goes on where it left off. Any gap, any step back (a transaction that was undone, a letter that is tried
again, a database that lost its end) and what is remembered of the partition is forgotten.
"""

from collections.abc import Iterable
from typing import Final

from libs.eventlog.event import Batch
from libs.people.generations import Generations
from services.identity.domain.anchors import Anchor
from services.identity.domain.evidence import Key, Seen

ENTRIES: Final = 50_000
"""Identifiers remembered of each partition at the most; one takes some 250 bytes."""

Memory = Generations[tuple[str, Anchor, Key], Seen]
"""Which identifiers were committed under which anchor of which tenant, and since when."""


class OfPartition:
    """What is remembered of the anchors of one partition."""

    __slots__ = ("_size", "position", "seen")

    def __init__(self, size: int) -> None:
        self._size = size
        self.position = -1
        self.seen: Memory = Generations(size)

    def forget(self) -> None:
        """Remember nothing."""
        self.seen = Generations(self._size)


class Remembered:
    """What is remembered of each partition."""

    def __init__(self, entries: int = ENTRIES) -> None:
        self._entries = entries
        self._of: dict[int, OfPartition] = {}

    def follow(self, batches: Iterable[Batch]) -> None:
        """Go on with batches, and forget whatever that gives no more reason to believe."""
        for batch in batches:
            known = self.of(batch.partition)
            if batch.first_position != known.position + 1:
                known.forget()
            known.position = batch.last_position

    def forget(self) -> None:
        """Remember nothing of any anchor, because some are folded anew."""
        for known in self._of.values():
            known.forget()

    def of(self, partition: int) -> OfPartition:
        """What is remembered of a partition."""
        known = self._of.get(partition)
        if known is None:
            known = self._of[partition] = OfPartition(self._entries)
        return known
