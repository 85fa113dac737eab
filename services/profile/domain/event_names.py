"""What an interaction is called in a portrait."""

from typing import Final

from libs.people.event_names import name_of
from services.profile.domain.interaction import Interaction

OWN_DOING: Final = frozenset(
    {"message_sent", "message_delivered", "message_failed", "message_ignored", "task_completed"}
)
"""Receipts of what was done *to* a person: they say nothing about when and where the person is active."""


def event_name(interaction: Interaction) -> str:
    """Name of the interaction, as every service calls it."""
    return name_of(interaction.type, interaction.event)
