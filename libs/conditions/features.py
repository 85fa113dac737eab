"""What is kept of events for conditions: a state per anchor in which the order of events can't be seen."""

from typing import Any


class Features:
    """Everything kept through one anchor, or of one person; `Features()` is that of no events."""

    def without(self, keys: frozenset[int]) -> "Features":
        """The same without some features, when nothing reads them any more."""
        raise NotImplementedError


def combine(a: Features, b: Features) -> Features:
    """The features of everything that either was folded from; neither changes."""
    raise NotImplementedError


def encode(features: Features) -> bytes:
    """The features as msgpack, only what the anchor has."""
    raise NotImplementedError


def decode(state: bytes) -> Features:
    """The features that were encoded; sections are decoded when touched."""
    raise NotImplementedError


def fingerprint(features: Features) -> bytes:
    """16 bytes that are equal for equal features, however they came about."""
    raise NotImplementedError


State = Any
