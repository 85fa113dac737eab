"""Parts of an anchor: how it is cut where not all of it belongs to one person.

A kiosk's sessions are many people's, a recycled phone is one person's until some day and another's from then on, and a
value that names nobody says nothing at all about whose an interaction is. An anchor that is cut falls into spans, each
of which belongs to a person by itself.
"""

import struct
from bisect import bisect_right
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final, assert_never

from libs.people.keys import KEY_BYTES
from libs.runtime.clock import Micros

Span = bytes
"""A part of an anchor. The four makes differ in length, so none is taken for another."""

WHOLE: Final[Span] = b""
"""All of an uncut anchor; of one cut at times, what lies before the first; of others, what no other span takes."""

_TIME: Final = struct.Struct(">q")
_SESSION_BYTES: Final = 12


@dataclass(frozen=True, slots=True)
class BySession:
    """A shared identifier: each session is a span."""


@dataclass(frozen=True, slots=True)
class ByIdentifier:
    """A blocked identifier: a span for each next-strongest identifier, and for each session where there is no other."""


@dataclass(frozen=True, slots=True)
class AtTimes:
    """An identifier that passed on: each time (ascending) begins a span, which it belongs to."""

    times: tuple[Micros, ...]


Cut = BySession | ByIdentifier | AtTimes


def since(time: Micros) -> Span:
    """The span that begins at a time."""
    return _TIME.pack(time)


def in_session(session: str) -> Span:
    """The span of a session; its id stays unreadable, for producers put names into them."""
    return blake2b(session.encode(), digest_size=_SESSION_BYTES).digest() if session else WHOLE


def beside(identifier: bytes) -> Span:
    """The span of the interactions whose next-strongest identifier is that one."""
    return identifier


def begins_at(span: Span) -> Micros | None:
    """When a span of an identifier that passed on begins; None for spans of other makes."""
    time: Micros | None = _TIME.unpack(span)[0] if len(span) == _TIME.size else None
    return time


def is_session(span: Span) -> bool:
    """Whether a span is that of a session."""
    return len(span) == _SESSION_BYTES


def span_of(cut: Cut | None, occurred_at: Micros, session: str, next_strongest: bytes | None) -> Span:
    """Which span of an anchor an interaction belongs to."""
    match cut:
        case None:
            return WHOLE
        case BySession():
            return in_session(session)
        case ByIdentifier():
            return beside(next_strongest) if next_strongest else in_session(session)
        case AtTimes(times):
            begun = bisect_right(times, occurred_at)
            return since(times[begun - 1]) if begun else WHOLE
        case _:
            assert_never(cut)


def own_id(identifier: bytes, span: Span = WHOLE) -> bytes:
    """The id of the person that a span is while it belongs to nobody else; an uncut identifier's is its key."""
    if span == WHOLE:
        return identifier
    return blake2b(identifier + span, digest_size=KEY_BYTES, person=b"portrait span").digest()
