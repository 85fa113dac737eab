"""What an interaction's document says of who it is about: its identifiers, its session, whether it is a login.

The log keeps documents as they were sent, and every service that asks whose they are reads them by this.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from libs.people.identifiers import Claimed
from libs.people.normalise import digits

INTERACTION_RECORDED: Final = "interaction_recorded"
"""The type of the events whose payloads these documents are."""

_LONGEST_SESSION: Final = 512  # characters; an id is shorter, and whatever it was meant to be is none


class IdentifierSaid(msgspec.Struct, frozen=True, gc=False):
    """One identifier in its long form."""

    type: str
    value: str | int
    verified: bool = False


Identifiers = dict[str, str | int | list[str | int] | None] | list[IdentifierSaid]


class _Context(msgspec.Struct, frozen=True, gc=False):
    session_id: Any = None


class Said(msgspec.Struct, frozen=True, gc=False):
    """As much of a document as tells whose it is."""

    type: str = ""
    source: str = ""
    identifiers: Identifiers = {}
    context: _Context | None = None
    traits: msgspec.Raw = msgspec.Raw(b"null")

    @property
    def login(self) -> bool:
        """Whether somebody said who they are, which in a session they share with others tells whose it is."""
        return self.type == "identify"

    @property
    def session(self) -> str:
        """The id of the session; empty where there is none."""
        given = self.context.session_id if self.context else None
        text = given if isinstance(given, str) else digits(given)
        return text if len(text) <= _LONGEST_SESSION else ""

    def claims(self) -> list[Claimed]:
        """See `claims`."""
        return claims(self.identifiers)

    def all_traits(self) -> Mapping[str, Any]:
        """What was said of the person, by name; read only when asked for, because that takes longer than all else."""
        return msgspec.json.decode(self.traits, type=dict[str, Any] | None) or {}


read_said = msgspec.json.Decoder(Said).decode


def claims(identifiers: Identifiers) -> list[Claimed]:
    """The identifiers as sent, whichever form they have; a null is nobody."""
    if isinstance(identifiers, list):
        return [Claimed(one.type, one.value, one.verified) for one in identifiers]
    return [Claimed(type_, value) for type_, value in _pairs(identifiers)]


def unverified_pairs(identifiers: Identifiers) -> list[tuple[str, str | int]] | None:
    """The same as plain (type, value) pairs, which are cheaper; None where a verified one needs telling apart."""
    if isinstance(identifiers, dict):
        return _pairs(identifiers)
    if any(one.verified for one in identifiers):
        return None
    return [(one.type, one.value) for one in identifiers]


def _pairs(identifiers: Mapping[str, str | int | list[str | int] | None]) -> list[tuple[str, str | int]]:
    pairs: list[tuple[str, str | int]] = []
    for type_, value in identifiers.items():
        if isinstance(value, list):
            pairs += [(type_, each) for each in value]
        elif value is not None:
            pairs.append((type_, value))
    return pairs
