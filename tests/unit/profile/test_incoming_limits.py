"""The limits that the collector checks by hand are the rules that the protos publish."""

from typing import Any

from buf.validate import validate_pb2
from google.protobuf.descriptor import Descriptor
from portrait.profile.v1 import interaction_pb2

from services.profile.domain import incoming_limits as limits

RULES = validate_pb2.DESCRIPTOR.extensions_by_name["field"]


def rules(message: Descriptor, field: str) -> Any:
    options: Any = message.fields_by_name[field].GetOptions()
    return options.Extensions[RULES]


def test_the_limits_of_an_interaction_are_those_of_its_proto() -> None:
    interaction = interaction_pb2.Interaction.DESCRIPTOR
    assert rules(interaction, "message_id").string.max_bytes == limits.MAX_MESSAGE_ID
    assert rules(interaction, "event").string.max_bytes == limits.MAX_EVENT
    assert rules(interaction, "source").string.max_bytes == limits.MAX_SOURCE
    assert rules(interaction, "identifiers").repeated.max_items == limits.MAX_ENTRIES
    assert rules(interaction, "consents").repeated.max_items == limits.MAX_ENTRIES


def test_the_limits_of_a_consent_are_those_of_its_proto() -> None:
    consent = interaction_pb2.Consent.DESCRIPTOR
    for field in ("purpose", "channel"):
        assert rules(consent, field).string.max_bytes == limits.MAX_CONSENT_NAME
        assert rules(consent, field).string.min_bytes == 1
    assert rules(consent, "address").string.max_bytes == limits.MAX_ADDRESS
    assert rules(consent, "basis").string.max_bytes == limits.MAX_BASIS
