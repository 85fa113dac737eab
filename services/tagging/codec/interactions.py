"""Interactions of the log as conditions see them."""

from typing import Any, Final

import msgspec
from portrait.log.v1 import event_pb2 as log_pb

from libs.conditions.event import Event
from libs.conditions.plan import Plan
from libs.people.event_names import name_of
from libs.people.said import INTERACTION_RECORDED

_NULL: Final = msgspec.Raw(b"null")


class _Document(msgspec.Struct, frozen=True, gc=False):
    """As much of a document as tells what happened; the rest costs more than all else, so it is read when asked for."""

    type: str = ""
    event: str = ""
    source: str = ""
    properties: msgspec.Raw = _NULL
    traits: msgspec.Raw = _NULL


_read: Final = msgspec.json.Decoder(_Document).decode
_read_object: Final = msgspec.json.Decoder(dict[str, Any] | None).decode


def event_of(event: log_pb.Event, plan: Plan | None = None) -> Event | None:
    """What an interaction says happened; None for what is none, or was erased, or with a plan nothing to it.

    With a plan, properties that it does not read are left out. Raises `msgspec.DecodeError` for what can't be read.
    """
    if event.type != INTERACTION_RECORDED or not event.payload:
        return None
    said = _read(event.payload)
    name = name_of(said.type, said.event)
    reads = plan is None or plan.reads(name)
    traits = _read_object(said.traits) if plan is None or plan.trait_names else None
    if not reads and not traits:
        return None
    properties = _read_object(said.properties) if reads else None
    return Event(event.id, name, event.occurred_at_micros, properties or {}, traits or {}, said.source)
