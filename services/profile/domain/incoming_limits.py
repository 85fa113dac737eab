"""How much one interaction may hold. The same numbers stand as rules in interaction.proto."""

import re
from collections.abc import Iterator
from typing import Final

from libs.people.said import Identifiers
from services.profile.domain.interaction import Consents, Incoming
from services.profile.domain.rejection import Reason, Rejected

MAX_BYTES: Final = 128 * 1024
MAX_DEPTH: Final = 32
MAX_ENTRIES: Final = 64
MAX_MESSAGE_ID: Final = 128
MAX_EVENT: Final = 256
MAX_SOURCE: Final = 128
MAX_CONSENT_NAME: Final = 64
MAX_ADDRESS: Final = 512
MAX_BASIS: Final = 256

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_TEXT: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"')
_NO_BRACKETS: Final = bytes(sign for sign in range(256) if sign not in b"[]{}")
_ROUND: Final = bytes.maketrans(b"[]{}", b"()()")


def deeper_than(limit: int, document: bytes) -> bool:
    """Whether valid JSON nests deeper than `limit`, the document itself being the first level.

    A reader that recurses on a stack already deep would fail where the collector did not.
    """
    if document.count(b"{") + document.count(b"[") <= limit:  # so few can only nest that deep
        return False
    nesting = _TEXT.sub(b"", document).translate(_ROUND, _NO_BRACKETS)
    for _ in range(limit):
        nesting = nesting.replace(b"()", b"")  # one level each time, from the leaves up
    return bool(nesting)


def beyond_limits(said: Incoming) -> Rejected | None:
    """The first field that holds too much, or a name that can't be one."""
    names = said.message_id + said.event + said.source
    plain = len(names) <= MAX_MESSAGE_ID and names.isascii() and names.isprintable()
    if not plain and (fault := _names_fault(said)):
        return fault
    if said.type == "track" and not said.event.strip():
        return Rejected(Reason.MISSING_FIELD, "event", "a track needs the name of what happened")
    if _count(said.identifiers) > MAX_ENTRIES:
        return _too_many("identifiers")
    return _consent_fault(said.consents) if said.consents else None


def _names_fault(said: Incoming) -> Rejected | None:
    return (
        _name_fault("message_id", said.message_id, MAX_MESSAGE_ID)
        or _name_fault("event", said.event, MAX_EVENT)
        or _name_fault("source", said.source, MAX_SOURCE)
    )


def _count(identifiers: Identifiers) -> int:
    if isinstance(identifiers, list):
        return len(identifiers)
    count = len(identifiers)
    for value in identifiers.values():
        if isinstance(value, list):
            count += len(value) - 1
    return count


def _consent_fault(consents: Consents) -> Rejected | None:
    if len(consents) > MAX_ENTRIES:
        return _too_many("consents")
    faults: Iterator[Rejected | None]
    if isinstance(consents, dict):
        faults = (_required_name_fault(f"consents.{channel}", channel) for channel in consents)
    else:
        faults = (
            _required_name_fault(f"consents[{index}].purpose", consent.purpose)
            or _required_name_fault(f"consents[{index}].channel", consent.channel)
            or _name_fault(f"consents[{index}].address", consent.address, MAX_ADDRESS)
            or _length_fault(f"consents[{index}].basis", consent.basis, MAX_BASIS)
            for index, consent in enumerate(consents)
        )
    return next(filter(None, faults), None)


def _required_name_fault(field: str, name: str) -> Rejected | None:
    if not name:
        return Rejected(Reason.MISSING_FIELD, field, "is empty")
    return _name_fault(field, name, MAX_CONSENT_NAME)


def _name_fault(field: str, text: str, limit: int) -> Rejected | None:
    if _CONTROL.search(text):
        return Rejected(Reason.INVALID_TEXT, field, "holds control characters")
    return _length_fault(field, text, limit)


def _length_fault(field: str, text: str, limit: int) -> Rejected | None:
    if len(text.encode()) > limit:
        return Rejected(Reason.TOO_LONG, field, f"is longer than {limit} bytes")
    return None


def _too_many(field: str) -> Rejected:
    return Rejected(Reason.TOO_MANY_ENTRIES, field, f"there are more than {MAX_ENTRIES}")
