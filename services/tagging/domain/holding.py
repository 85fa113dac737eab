"""What a person has been told to hold, and when time alone may change it."""

from hashlib import blake2b
from typing import Final, NamedTuple

import msgspec

from libs.conditions.comparisons import Scalar
from libs.runtime.clock import Micros
from services.tagging.domain.verdict import Against, Origin, Verdict


class Held(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What somebody has by one definition.

    `event_id` is that of the event that told of it; `of` is what the value is about.
    """

    value: Scalar
    of: str
    since: Micros
    event_id: bytes
    version: int
    origin: Origin
    confidence: float
    expires_at: Micros | None = None


class Holding(msgspec.Struct, gc=False):
    """What somebody holds, by name of its definition. `changes` are the moments before which time alone changes no
    answer, by name, too.

    `revision` counts what was told of them, and never begins again: without it, two tellings could look the same.
    """

    revision: int = 0
    tags: dict[str, Held] = {}
    changes: dict[str, Micros] = {}

    def next_change(self) -> Micros | None:
        """When they are to be answered again, whatever happens."""
        return min(self.changes.values(), default=None)

    def copy(self) -> "Holding":
        """One that can be changed without this one."""
        return Holding(self.revision, dict(self.tags), dict(self.changes))


class Change(NamedTuple):
    """Something to tell: what a person has by a definition now, None for nothing more, and what they had.

    `points` are those of a score, in ten-thousandths.
    """

    name: str
    now: Held | None
    former: Held | None
    against: Against
    version: int
    backfill: bool
    event_id: bytes
    cause: bytes
    became: bytes = b""
    historical: bool = False
    points: int | None = None


_MARK: Final = b"portrait tag"


def event_id(tenant: str, person: bytes, revision: int, name: str) -> bytes:
    """The id of what is told of a definition in a revision of a person."""
    about = b"%b\0%b\0%d\0%b" % (tenant.encode(), person, revision, name.encode())
    return blake2b(about, digest_size=16, person=_MARK).digest()


def is_news(verdict: Verdict, held: Held | None) -> bool:
    """Whether a verdict says something else than what is held."""
    if held is None:
        return verdict.value is not None
    if verdict.value is None:
        return True
    return (verdict.value, isinstance(verdict.value, bool), verdict.of) != (
        held.value,
        isinstance(held.value, bool),
        held.of,
    )


_write: Final = msgspec.msgpack.Encoder().encode
_read: Final = msgspec.msgpack.Decoder(tuple[dict[str, Held], dict[str, Micros]]).decode


def encode(holding: Holding) -> bytes:
    """A holding without its revision."""
    return _write((holding.tags, holding.changes))


def decode(revision: int, state: bytes) -> Holding:
    """The opposite of `encode`."""
    return Holding(revision, *_read(state))
