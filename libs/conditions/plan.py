"""Many definitions compiled into one plan: what to keep, what an event touches, what holds."""

from collections.abc import Mapping
from typing import Any

from libs.conditions.event import Event
from libs.conditions.features import Features
from libs.conditions.standing import Answer, Standing
from libs.conditions.tree import Condition
from libs.runtime.clock import Micros


class Plan:
    """The definitions of a tenant, by key, and the features that they share; it never changes."""

    features: frozenset[int]
    """The features kept, by fingerprint: compare two plans to know what a new definition must be folded for."""

    def __init__(self, definitions: Mapping[str, Condition], zone: str) -> None:
        """`zone` is the tenant's IANA zone, whose days the windows count."""
        raise NotImplementedError

    def narrowed(self, features: frozenset[int]) -> "Plan":
        """The same definitions, folding only some features: to fold history for those that are new."""
        raise NotImplementedError

    def reads(self, event_name: str) -> bool:
        """Whether an event of that name could change a feature by its properties; traits may all the same."""
        raise NotImplementedError

    def fold(self, features: Features, event: Event) -> set[str]:
        """Fold one event into the features, which change; answers the definitions whose answer may be another."""
        raise NotImplementedError

    def traits(self, features: Features, ranks: Mapping[str, int]) -> dict[str, Any]:
        """The surviving traits that definitions read: verified first, then the source of the higher rank, then new."""
        raise NotImplementedError

    def answer(self, key: str, features: Features, standing: Standing, now: Micros) -> Answer:
        """What a definition answers of a person at a moment, and until when time alone can't change it."""
        raise NotImplementedError

    def readers(self, reference: str) -> frozenset[str]:
        """The definitions that read "trait:city", "tag:vip", "score:x", "stage", "tier", "segment:y" or "zone"."""
        raise NotImplementedError
