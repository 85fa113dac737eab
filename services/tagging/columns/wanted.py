"""What a condition reads of people that can stand in columns."""

from typing import NamedTuple

from libs.conditions.comparisons import Anniversary, FromToday, Years
from libs.conditions.feature import Feature, features_of_did, trait_key
from libs.conditions.references import leaves
from libs.conditions.tree import Amount, Condition, Did, Segment, Stage, Tag, Tier, Trait
from services.tagging.domain.names import STAGE, TIER


class Wanted(NamedTuple):
    """Features, traits by name, and definitions by name of which it matters what people hold."""

    features: frozenset[Feature] = frozenset()
    traits: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()

    def covers(self, other: "Wanted") -> bool:
        """Whether nothing of another is missing."""
        return other.features <= self.features and other.traits <= self.traits and other.names <= self.names

    def with_(self, other: "Wanted") -> "Wanted":
        """Both together."""
        return Wanted(self.features | other.features, self.traits | other.traits, self.names | other.names)

    def keys(self) -> frozenset[int]:
        """The fingerprints of all that must be kept of events."""
        return frozenset({*(one.key for one in self.features), *map(trait_key, self.traits)})


def wanted_of(condition: Condition, zone: str) -> Wanted | None:
    """What a condition reads; None where some of it is in no column.

    Those are sequences, scores, which change from day to day, and dates of the year, which hang on a person's zone.
    """
    features: set[Feature] = set()
    traits: set[str] = set()
    names: set[str] = set()
    for leaf in leaves(condition):
        match leaf:
            case Did(test=Amount("distinct", per=per)) if per is not None:
                return None
            case Did():
                features |= set(features_of_did(leaf, zone))
            case Trait(name, test) if not isinstance(test, Anniversary | Years | FromToday):
                traits.add(name)
            case Tag(key):
                names.add(key)
            case Segment(key):
                names.add(f"segment:{key}")
            case Stage():
                names.add(STAGE)
            case Tier():
                names.add(TIER)
            case _:
                return None
    return Wanted(frozenset(features), frozenset(traits), frozenset(names))
