"""A suggestion as it is kept until somebody decides it, and for ever after."""

from hashlib import blake2b
from typing import Literal

import msgspec

from libs.runtime.clock import Micros
from services.identity.domain.evidence import Key
from services.identity.domain.naming import PersonId
from services.identity.linking.suggesting import Suggestion

State = Literal["open", "settled", "accepted", "rejected"]
"""settled: nobody decided it, but the two became one by other means, or were told apart."""


class Suggested(msgspec.Struct, frozen=True):
    """A suggestion as kept; `keys` are the identifiers that the two people had when it was made."""

    id: bytes
    suggestion: Suggestion
    state: State
    suggested_at: Micros
    keys: tuple[tuple[Key, ...], tuple[Key, ...]]


def suggestion_id(tenant: str, one: PersonId, other: PersonId) -> bytes:
    """The same two have the same id, so that what was decided is not asked again."""
    return blake2b(b"".join(sorted((one, other))), digest_size=16, key=tenant.encode()[:64]).digest()
