"""What an interaction's document says of who it is about: its identifiers, its session, whether it is a login.

The log keeps documents as they were sent, and every service that asks whose they are reads them by this.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from libs.people.identifiers import Claimed
from libs.people.normalise import digits

_LONGEST_SESSION: Final = 512  # characters; an id is shorter, and whatever it was meant to be is none


class _IdentifierSaid(msgspec.Struct, frozen=True, gc=False):
    """One identifier in its long form."""

    type: str
    value: str | int
    verified: bool = False


class _Context(msgspec.Struct, frozen=True, gc=False):
    session_id: Any = None


class Said(msgspec.Struct, frozen=True, gc=False):
    """As much of a document as tells whose it is."""

    type: str = ""
    source: str = ""
    identifiers: dict[str, str | int | list[str | int] | None] | list[_IdentifierSaid] = {}
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

    def claims(self) -> Iterator[Claimed]:
        """The identifiers as sent, whichever form they have; a null is nobody."""
        if isinstance(self.identifiers, list):
            for one in self.identifiers:
                yield Claimed(one.type, one.value, one.verified)
            return
        for type_, value in self.identifiers.items():
            if isinstance(value, list):
                for each in value:
                    yield Claimed(type_, each)
            elif value is not None:
                yield Claimed(type_, value)

    def all_traits(self) -> Mapping[str, Any]:
        """What was said of the person, by name; read only when asked for, because that takes longer than all else."""
        return msgspec.json.decode(self.traits, type=dict[str, Any] | None) or {}


read_said = msgspec.json.Decoder(Said).decode
