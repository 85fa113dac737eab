"""Interactions as they come, and what is answered of them."""

from typing import Any

import msgspec
from google.protobuf.timestamp_pb2 import Timestamp
from portrait.profile.v1 import collector_service_pb2 as collector_pb
from portrait.profile.v1 import interaction_pb2 as interaction_pb
from portrait.profile.v1 import quarantine_service_pb2 as quarantine_pb

from libs.eventlog.event import Appended
from libs.rpc.times import timestamp
from services.profile.codec.words import word
from services.profile.domain.rejection import Rejected
from services.profile.quarantine import SHOWN_BYTES, Quarantined


def document_of(interaction: interaction_pb.Interaction) -> bytes:
    """A typed interaction as the JSON document that it stands for.

    Free-form parts go over as they are: what is wrong with them is found where every document is read.
    """
    said: dict[str, Any] = {
        "type": _word(interaction_pb.InteractionType, interaction.type, "INTERACTION_TYPE_"),
        "message_id": interaction.message_id,
        "event": interaction.event,
        "source": interaction.source,
        "identifiers": [
            {"type": one.type, "value": one.value, "verified": one.verified} for one in interaction.identifiers
        ],
    }
    if interaction.HasField("occurred_at"):
        said["occurred_at"] = _rfc3339(interaction.occurred_at)
    for part in ("properties", "traits", "context"):
        raw: bytes = getattr(interaction, part)
        if raw:
            said[part] = msgspec.Raw(raw)
    if interaction.consents:
        said["consents"] = [_consent(one) for one in interaction.consents]
    return msgspec.json.encode(said)


def _consent(consent: interaction_pb.Consent) -> dict[str, str]:
    said = {
        "purpose": consent.purpose,
        "channel": consent.channel,
        "address": consent.address,
        "state": _word(interaction_pb.ConsentState, consent.state, "CONSENT_STATE_"),
        "basis": consent.basis,
    }
    if consent.HasField("expires_at"):
        said["expires_at"] = _rfc3339(consent.expires_at)
    return said


def _word(enum: Any, value: int, prefix: str) -> str:
    """The word for an enum's value; for one that this release does not know its number, which no document may say."""
    return word(enum, value, prefix) if value in enum.values() else str(value)


def _rfc3339(time: Timestamp) -> str:
    try:
        return time.ToJsonString()
    except ValueError:  # outside of years 1 to 9999: no time, and found to be none where documents are read
        return f"{time.seconds}s"


def tell_place(result: collector_pb.CollectResult, place: Appended) -> None:
    """The result for an interaction that is in the log."""
    result.outcome = collector_pb.OUTCOME_DUPLICATE if place.duplicate else collector_pb.OUTCOME_RECORDED
    position = result.position
    position.partition, position.position = place.partition, place.position
    if place.differs:
        result.content_differs = True


def tell_why(result: collector_pb.CollectResult, quarantine_id: bytes, why: Rejected) -> None:
    """The result for an interaction that is not; without an id if the request only validates."""
    result.outcome = collector_pb.OUTCOME_QUARANTINED
    rejection = result.rejection
    rejection.quarantine_id, rejection.reason = quarantine_id.hex(), why.reason
    rejection.field, rejection.message = why.field, why.message


def in_quarantine(one: Quarantined) -> quarantine_pb.QuarantinedInteraction:
    """A quarantined interaction as shown."""
    return quarantine_pb.QuarantinedInteraction(
        quarantine_id=one.id.hex(),
        document=one.document[:SHOWN_BYTES],
        truncated=len(one.document) > SHOWN_BYTES,
        rejection=collector_pb.Rejection(
            quarantine_id=one.id.hex(), reason=one.reason, field=one.field, message=one.message
        ),
        arrived_at=timestamp(one.arrived_at),
        import_id=one.import_id,
        attempts=one.attempts,
    )
