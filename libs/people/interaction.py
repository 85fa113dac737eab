"""What of an interaction tells whose it is: its identifiers, its session, and whether somebody logged in."""

from typing import Any, Final

import msgspec

from libs.people.identifiers import Claimed
from libs.people.normalise import digits


class _Context(msgspec.Struct, frozen=True, gc=False):
    session_id: Any = None


class _Long(msgspec.Struct, frozen=True, gc=False):
    """An identifier in its long form."""

    type: str
    value: str | int
    verified: bool = False


class Told(msgspec.Struct, frozen=True, gc=False):
    """A document of the interactions log, as far as it says whose it is."""

    type: str = ""
    source: str = ""
    identifiers: dict[str, str | int | list[str | int] | None] | list[_Long] = {}
    context: _Context | None = None

    @property
    def session(self) -> str:
        """The id of its session, a whole number as its digits; empty where it has none that can be read."""
        said = self.context.session_id if self.context else None
        return said if isinstance(said, str) else digits(said)

    @property
    def login(self) -> bool:
        """Whether somebody said who they are."""
        return self.type == "identify"

    def claims(self) -> list[Claimed]:
        """The identifiers as sent, whichever form they have; a null is nobody."""
        if isinstance(self.identifiers, list):
            return [Claimed(one.type, one.value, one.verified) for one in self.identifiers]
        return [
            Claimed(type_, value)
            for type_, said in self.identifiers.items()
            for value in (said if isinstance(said, list) else [said])
            if value is not None
        ]


read_told: Final = msgspec.json.Decoder(Told).decode
"""Reads a payload; raises `msgspec.DecodeError`."""
