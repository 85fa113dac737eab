"""Ids of the events that requests lead to, so that a repeat finds the first one, and nothing else does."""

import secrets
from hashlib import blake2b


def event_id(tenant: str, type_: str, request_id: str) -> bytes:
    """The id of what a request does; without a `request_id` no request repeats another."""
    if not request_id:
        return secrets.token_bytes(16)
    return blake2b(f"{tenant}\0{type_}\0{request_id}".encode(), digest_size=16).digest()


def digest_of(*asked: object) -> int:
    """Tells whether a repeated request asks for the same."""
    return int.from_bytes(blake2b(repr(asked).encode(), digest_size=4).digest())
