"""The one taxonomy of tags: what kinds of things can be said of a person."""

from types import MappingProxyType
from typing import Final

CATEGORIES: Final = MappingProxyType(
    {
        "attribute": ("属性", "Attribute: who somebody is"),
        "behaviour": ("行为", "Behaviour: what somebody does"),
        "interest": ("兴趣", "Interest: what somebody likes"),
        "intent": ("意向", "Intent: what somebody is about to do"),
        "lifecycle": ("生命周期", "Lifecycle: how far somebody has come with the business"),
        "value": ("价值", "Value: what somebody is worth to the business"),
        "psychographic": ("心理", "Psychographic: how somebody decides"),
        "channel": ("触点", "Channel: where and when somebody is reached"),
        "experience": ("体验", "Experience: how content somebody is"),
    }
)
"""Chinese and English titles by category."""
