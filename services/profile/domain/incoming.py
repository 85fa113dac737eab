"""The collector's reading of one document: what it says, or why it can't be recorded. Pure, and never raises."""

import re
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from hashlib import blake2b
from typing import Final
from uuid import UUID

import msgspec

from libs.people.anchor import Anchoring
from libs.people.identifiers import Identified, Refused
from libs.people.said import claims, unverified_pairs
from libs.runtime.clock import SECOND, Micros
from services.profile.domain.event_names import event_name
from services.profile.domain.incoming_faults import fault, too_deep
from services.profile.domain.incoming_limits import MAX_BYTES, MAX_DEPTH, beyond_limits, deeper_than
from services.profile.domain.interaction import Incoming, read_incoming
from services.profile.domain.rejection import Reason, Rejected
from services.profile.domain.schema_set import SchemaSet
from services.profile.domain.timestamps import read_time

SKEW: Final[Micros] = 300 * SECOND
"""How far a producer's clock may be ahead. One that is further ahead is not believed at all, and the time of arrival
taken instead: at the end of the skew, it would win every race for as long as the skew lasts."""

_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_CANONICAL_UUID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}").fullmatch


class Accepted(msgspec.Struct, frozen=True, gc=False):
    """A document that can be recorded once an identifier of it proves usable.

    `event_id` is always `event_id_of(message_id)`. `sent_at` is the producer's time where it was not believed.
    `payload` is the document as sent, without a byte order mark; `digest` (32 bits) tells different payloads apart.
    """

    message_id: str
    event_id: bytes
    occurred_at: Micros
    sent_at: Micros | None
    said: Incoming
    payload: bytes
    digest: int


def event_id_of(message_id: str) -> bytes:
    """The 16 bytes that stand for a message id: those of a UUID in canonical form, a hash of any other text."""
    if _CANONICAL_UUID(message_id):
        return bytes.fromhex(message_id.replace("-", ""))
    return _hashed("message", message_id)


def anchored(said: Incoming, anchoring: Anchoring) -> tuple[Identified | None, list[Refused]]:
    """The identifier that an interaction is filed under, and those that name nobody."""
    pairs = None if anchoring.composes else unverified_pairs(said.identifiers)
    if pairs is not None:  # nearly all, and a good deal faster
        return anchoring.anchor_of(pairs)
    identified, refused = anchoring.identify_all(claims(said.identifiers), lambda: said.traits or {})
    return anchoring.anchor(identified), refused


def no_usable_identifier(refused: Sequence[Refused]) -> Rejected:
    """The rejection of an interaction that names nobody."""
    why = ", ".join(f"{one.type} is {one.reason}" for one in refused) or "none was sent"
    return Rejected(Reason.NO_USABLE_IDENTIFIER, "identifiers", f"no identifier is usable: {why}")


@dataclass(frozen=True, slots=True)
class Intake:
    """How one tenant's documents are read.

    `zone` is the tenant's, for times without an offset. `ceiling` is set for a tenant on event time, whose interactions
    are never too new for the wall clock but may be too new for its own. `fresh_id` makes 16 bytes, a UUIDv7.
    """

    schemas: SchemaSet
    zone: tzinfo
    ceiling: Micros | None
    fresh_id: Callable[[], bytes]

    def read(self, document: bytes, arrived_at: Micros, request_id: str = "", index: int = 0) -> Accepted | Rejected:
        """Read the document that stands at `index` of a request."""
        document = document.removeprefix(_BYTE_ORDER_MARK)
        said = _parsed(document)
        if isinstance(said, Rejected):
            return said
        rejected = beyond_limits(said)
        if rejected is None and (said.consents or self.schemas.demands):
            rejected = self._expiry_fault(said) or self._schema_fault(said)
        moment = rejected or self._moment(said.occurred_at, arrived_at)
        if isinstance(moment, Rejected):
            return moment
        message_id = said.message_id
        if message_id:
            event_id = event_id_of(message_id)
        else:
            event_id = _hashed("request", f"{request_id}\0{index}") if request_id else self.fresh_id()
            message_id = str(UUID(bytes=event_id))
        return Accepted(message_id, event_id, *moment, said, document, zlib.crc32(document))

    def _moment(self, occurred_at: str | None, arrived_at: Micros) -> tuple[Micros, Micros | None] | Rejected:
        """When it happened as far as is believed, and the producer's claim if that is not it."""
        if occurred_at is None:
            if self.ceiling is not None:
                return Rejected(Reason.MISSING_FIELD, "occurred_at", "on event time every interaction needs its time")
            return arrived_at, None
        claimed = read_time(occurred_at, self.zone)
        if claimed is None:
            return _invalid_time("occurred_at")
        if self.ceiling is not None:
            if claimed > self.ceiling:
                return Rejected(Reason.BEYOND_CEILING, "occurred_at", "is later than the tenant's clock may ever show")
            return claimed, None
        return (claimed, None) if claimed <= arrived_at + SKEW else (arrived_at, claimed)

    def _expiry_fault(self, said: Incoming) -> Rejected | None:
        if isinstance(said.consents, dict):
            return None
        for index, consent in enumerate(said.consents):
            if consent.expires_at is not None and read_time(consent.expires_at, self.zone) is None:
                return _invalid_time(f"consents[{index}].expires_at")
        return None

    def _schema_fault(self, said: Incoming) -> Rejected | None:
        schemas = self.schemas
        if said.traits and (rejected := schemas.check_traits(said.traits)):
            return rejected
        return schemas.check(event_name(said), said.properties or {})


def _parsed(document: bytes) -> Incoming | Rejected:
    if len(document) > MAX_BYTES:
        return Rejected(Reason.TOO_LARGE, "", f"{len(document):,} bytes are more than the limit of {MAX_BYTES:,}")
    try:
        if not document.isascii():
            document.decode()  # msgspec skips unknown fields without looking into their text
        said = read_incoming(document)
    except UnicodeDecodeError as error:
        return Rejected(Reason.INVALID_UTF8, "", f"byte {error.start} is not UTF-8")
    except msgspec.DecodeError as error:
        return fault(document, error)
    except RecursionError:
        return too_deep()
    return too_deep() if deeper_than(MAX_DEPTH, document) else said


def _invalid_time(field: str) -> Rejected:
    return Rejected(Reason.INVALID_TIME, field, "is not a time as in RFC 3339, or lies before 1900")


def _hashed(what: str, text: str) -> bytes:
    # The prefix keeps message ids and places in requests apart.
    return blake2b(f"portrait:{what}:{text}".encode(), digest_size=16).digest()
