"""An interaction, as producers send it and as the log keeps it: one JSON document."""

from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from libs.people.said import Identifiers

type_names = ("track", "identify", "page", "screen", "group", "alias")
Kind = Literal["track", "identify", "page", "screen", "group", "alias"]
ConsentState = Literal["granted", "denied", "withdrawn"]

MAX_PROPERTIES: Final = 1000


class ConsentSaid(msgspec.Struct, frozen=True, gc=False):
    """A permission given or taken back, as sent."""

    purpose: str
    channel: str
    state: ConsentState
    address: str = ""
    basis: str = ""
    expires_at: str | None = None


Consents = list[ConsentSaid] | dict[str, bool]


class Interaction(msgspec.Struct, frozen=True, gc=False):
    """What a fold reads of the same document."""

    type: Kind
    message_id: str = ""
    event: str = ""
    source: str = ""
    identifiers: Identifiers = {}
    properties: dict[str, Any] | None = None
    traits: dict[str, Any] | None = None
    consents: Consents = []


class Incoming(Interaction, frozen=True, gc=False):
    """What the collector reads: the same within limits, with the time as the producer gave it.

    Free-form parts are read here too. Leaving them as raw bytes saves less than it takes to make sure by other means
    that the fold can read them later: msgspec does not look at the range of a number that it skips. The limits bind the
    collector alone, so that lowering one leaves the log readable.
    """

    occurred_at: str | None = None
    properties: Annotated[dict[str, Any], Meta(max_length=MAX_PROPERTIES)] | None = None
    traits: Annotated[dict[str, Any], Meta(max_length=MAX_PROPERTIES)] | None = None
    context: Annotated[dict[str, Any], Meta(max_length=MAX_PROPERTIES)] | None = None


read_incoming = msgspec.json.Decoder(Incoming).decode
read_interaction = msgspec.json.Decoder(Interaction).decode
