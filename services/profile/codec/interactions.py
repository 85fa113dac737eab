"""Interactions as they come, and what is answered of them."""

from typing import Any, Final

import msgspec
from google.protobuf.timestamp_pb2 import Timestamp

from libs.eventlog.event import Appended
from portrait.log.v1 import event_pb2 as log_pb
from portrait.profile.v1 import collector_service_pb2 as collector_pb
from portrait.profile.v1 import interaction_pb2 as interaction_pb
from portrait.profile.v1 import quarantine_service_pb2 as quarantine_pb
from services.profile.codec.times import timestamp
from services.profile.codec.words import word
from services.profile.domain.rejection import Rejected
from services.profile.quarantine import Quarantined

SHOWN_BYTES: Final = 64 * 1024


def document_of(interaction: interaction_pb.Interaction) -> bytes:
    """A typed interaction as the JSON document that it stands for.

    Free-form parts go over as they are: what is wrong with them is found where every document is read.
    """
    said: dict[str, Any] = {
        "type": word(interaction_pb.InteractionType, interaction.type, "INTERACTION_TYPE_"),
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
        "state": word(interaction_pb.ConsentState, consent.state, "CONSENT_STATE_"),
        "basis": consent.basis,
    }
    if consent.HasField("expires_at"):
        said["expires_at"] = _rfc3339(consent.expires_at)
    return said


def _rfc3339(time: Timestamp) -> str:
    try:
        return time.ToJsonString()
    except ValueError:  # outside of years 1 to 9999: no time, and found to be none where documents are read
        return f"{time.seconds}s"


def recorded(place: Appended) -> collector_pb.CollectResult:
    """The result for an interaction that is in the log."""
    position = log_pb.Position(partition=place.partition, position=place.position)
    if not place.duplicate:
        return collector_pb.CollectResult(outcome=collector_pb.OUTCOME_RECORDED, position=position)
    return collector_pb.CollectResult(
        outcome=collector_pb.OUTCOME_DUPLICATE, position=position, content_differs=place.differs
    )


def quarantined(quarantine_id: bytes, why: Rejected) -> collector_pb.CollectResult:
    """The result for an interaction that is not."""
    return collector_pb.CollectResult(
        outcome=collector_pb.OUTCOME_QUARANTINED,
        rejection=collector_pb.Rejection(
            quarantine_id=quarantine_id.hex(), reason=why.reason, field=why.field, message=why.message
        ),
    )


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
