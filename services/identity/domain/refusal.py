"""Edges that join nobody, and why: they are kept, because the next rules or decisions may see them otherwise."""

from typing import Literal

import msgspec

from libs.runtime.clock import Micros
from services.identity.domain.evidence import Key, Pair

Reason = Literal[
    "FORBIDDEN",  # it would bring together two that are never one person, which `identifiers` names
    "TOO_MANY",  # it would give one person more identifiers of `type` than the rules allow
    "SHARED",  # one of the two, which `identifiers` names, is many people's
    "BLOCKED",  # one of the two, which `identifiers` names, names nobody
    "UNLINKED",  # a decision says that it means nothing
    "UNKNOWN_TYPE",  # the rules do not have the type of one of the two, or it does not name people
]


class Refusal(msgspec.Struct, frozen=True, gc=False, order=True):
    """An edge that joins nobody; `at` and `event_id` are those of the sight, or of the link by hand."""

    pair: Pair
    at: Micros
    event_id: bytes
    reason: Reason
    identifiers: tuple[Key, ...] = ()
    type: str = ""
