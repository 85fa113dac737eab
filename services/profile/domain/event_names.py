"""What an interaction is called in a portrait: one spelling for what producers write in many."""

import re
from functools import lru_cache
from typing import Final

from services.profile.domain.interaction import Interaction

OWN_DOING: Final = frozenset(
    {"message_sent", "message_delivered", "message_failed", "message_ignored", "task_completed"}
)
"""Receipts of what was done *to* a person: they say nothing about when and where the person is active."""

_NAMES: Final = {
    "identify": "identified",
    "page": "page_viewed",
    "screen": "screen_viewed",
    "group": "group_joined",
    "alias": "aliased",
}
_SEPARATORS: Final = re.compile(r"[\s_\-]+")


def event_name(interaction: Interaction) -> str:
    """Name of the interaction: what was tracked in snake_case, or what the type stands for."""
    return _NAMES.get(interaction.type) or snake_case(interaction.event)


@lru_cache(maxsize=8192)
def snake_case(name: str) -> str:
    """`Order Completed`, `order-completed` and `ORDER_COMPLETED` are all `order_completed`."""
    return _SEPARATORS.sub("_", name.strip()).lower()
