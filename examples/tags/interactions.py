"""Interactions as conditions see them, with who they are of."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from libs.conditions.event import Event

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class _Said(msgspec.Struct):
    message_id: str
    type: str
    occurred_at: datetime
    identifiers: dict[str, Any] | list[dict[str, Any]]
    event: str = ""
    source: str = ""
    properties: dict[str, Any] = {}
    traits: dict[str, Any] = {}


_read: Final = msgspec.json.Decoder(_Said).decode


def read(document: bytes, person: str) -> tuple[str, Event]:
    """Who did it, and what happened as conditions see it."""
    said = _read(document)
    name = said.event if said.type == "track" else f"{said.type.removesuffix('y')}ied"
    event = Event(
        said.message_id.encode(), name, micros(said.occurred_at), said.properties, said.traits, source=said.source
    )
    return str(_values(said.identifiers)[person]), event


def micros(moment: datetime) -> int:
    """Microseconds since 1970."""
    since = moment - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def _values(identifiers: dict[str, Any] | list[dict[str, Any]]) -> Mapping[str, Any]:
    if isinstance(identifiers, dict):
        return identifiers
    return {one["type"]: one["value"] for one in identifiers}
