"""Many definitions compiled into one plan: what to keep, what an event touches, what holds."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from functools import cached_property
from typing import Any, Final

from libs.conditions.answering import reader_of
from libs.conditions.by_day import features_by_day
from libs.conditions.calendar import Zones
from libs.conditions.event import Event
from libs.conditions.feature import Feature, features_of_did, features_of_sequence, trait_key
from libs.conditions.features import Features
from libs.conditions.references import leaves, references
from libs.conditions.routes import Junction, junctions
from libs.conditions.said_traits import say, united
from libs.conditions.seen import Reader, Seen
from libs.conditions.standing import Answer, Standing
from libs.conditions.survivors import Survivors
from libs.conditions.tree import Condition, Did, Sequence
from libs.runtime.clock import Micros

_TRAIT: Final = "trait:"
_TRAITS_SECTION: Final = 0


class Plan:
    """The definitions of a tenant, by key, and the features that they share; it never changes.

    `features` are the fingerprints of what it keeps: compare those of two plans to know what a new definition must be
    folded for. `zones` counts how often a person's zone was none.
    """

    def __init__(
        self,
        definitions: Mapping[str, Condition],
        zone: str,
        only: AbstractSet[int] | None = None,
        by_day: AbstractSet[str] = frozenset(),
    ) -> None:
        """`zone` is the tenant's IANA zone, whose days windows count; with `only`, no other features are folded.

        Of the definitions named in `by_day` everything is kept to answer them for any day; it is `ByDay` that does.
        Raises `InvalidArgument` if there is no such zone.
        """
        self.zones = Zones(zone)
        self._definitions = dict(definitions)
        self._by_day = by_day
        self._calendar = self.zones.tenant
        self._readers: dict[str, Reader] = {}
        self._referring = _inverse({key: references(one) for key, one in definitions.items()})
        by_feature = _inverse(
            {
                key: set(features_by_day(one, zone)) if key in by_day else _features(one, zone)
                for key, one in definitions.items()
            }
        )
        by_trait = {
            name.removeprefix(_TRAIT): keys for name, keys in self._referring.items() if name.startswith(_TRAIT)
        }
        self._unite = {feature.key: feature.kind.united for feature in by_feature}
        self._unite |= dict.fromkeys(map(trait_key, by_trait), united)
        self.features: Final = frozenset(self._unite)
        kept = self.features if only is None else only
        self._traits = {name: (trait_key(name), keys) for name, keys in by_trait.items() if trait_key(name) in kept}
        self._trait_keys = {name: key for name, (key, _) in self._traits.items()}
        self._junctions: dict[str, Junction] = junctions(
            {feature: keys for feature, keys in by_feature.items() if feature.key in kept}, self._calendar
        )

    def narrowed(self, features: AbstractSet[int]) -> "Plan":
        """The same definitions, folding only some features: to fold history for those that are new."""
        return Plan(self._definitions, self._calendar.zone.key, features, self._by_day)

    def reads(self, event_name: str) -> bool:
        """Whether an event of that name could change a feature; by traits any may, see `trait_names`."""
        return event_name in self._junctions

    @cached_property
    def trait_names(self) -> frozenset[str]:
        """The traits that are folded."""
        return frozenset(self._traits)

    def fold(self, features: Features, event: Event) -> set[str]:
        """Fold one event into the features, which change; answers the definitions whose answer may be another."""
        affected: set[str] = set()
        junction = self._junctions.get(event.name)
        if junction is not None:
            junction.take(features, event, self._calendar.day(event.occurred_at), affected)
        if event.traits and self._traits:
            for name, said in event.traits.items():
                known = self._traits.get(name)
                if known is not None:
                    _say(features, known[0], said, event)
                    affected |= known[1]
        return affected

    def combine(self, parts: Iterable[Features]) -> Features:
        """The features of everything that the parts were folded from; they don't change.

        What no definition of this plan reads is left out. The result shares states with its parts: don't fold into it.
        """
        combined: dict[int, dict[int, Any]] = {}
        for part in parts:
            for number, section in part.all_sections():
                mine = combined.setdefault(number, {})
                for key, state in section.items():
                    unite = self._unite.get(key)
                    if unite is not None:
                        mine[key] = unite(mine[key], state) if key in mine else state
        return Features({number: section for number, section in combined.items() if section})

    def traits(self, features: Features, ranks: Mapping[str, int]) -> Mapping[str, Any]:
        """The surviving traits that definitions read: verified first, then the source of the higher rank, then new.

        They are those of the features when they are looked at, so let nothing be folded in between.
        """
        return Survivors(features, _TRAITS_SECTION, self._trait_keys, ranks)

    def answer(self, key: str, features: Features, standing: Standing, now: Micros) -> Answer:
        """What a definition answers of a person at a moment, and until when time alone can't change it."""
        return self.asking(features, standing, now)(key)

    def answers(self, keys: Iterable[str], features: Features, standing: Standing, now: Micros) -> dict[str, Answer]:
        """What several definitions answer of a person at a moment, in the order given; cheaper than one by one."""
        answer = self.asking(features, standing, now)
        return {key: answer(key) for key in keys}

    def asking(self, features: Features, standing: Standing, now: Micros) -> Callable[[str], Answer]:
        """What answers definitions of one person at one moment, whichever is asked for; the standing may grow."""
        seen, readers = Seen(features.sections, standing, now, self._calendar.day(now)), self._readers

        def answer(key: str) -> Answer:
            found = (readers.get(key) or self._compiled(key))(seen)
            changes_at = found.changes_at
            if changes_at is not None and changes_at <= now:
                return Answer(found.holds, now + 1, found.value, found.key)
            return found

        return answer

    def _compiled(self, key: str) -> Reader:
        assert key not in self._by_day, "what is kept of it is for ByDay to read"
        reader = self._readers[key] = reader_of(self._definitions[key], self.zones)
        return reader

    def readers(self, reference: str) -> frozenset[str]:
        """The definitions that read "trait:city", "tag:vip", "score:x", "stage", "tier", "segment:y" or "zone"."""
        return self._referring.get(reference, frozenset())


def _features(condition: Condition, zone: str) -> set[Feature]:
    found: set[Feature] = set()
    for leaf in leaves(condition):
        if isinstance(leaf, Did):
            found |= set(features_of_did(leaf, zone))
        elif isinstance(leaf, Sequence):
            found |= set(features_of_sequence(leaf, zone))
    return found


def _inverse(read: Mapping[str, Iterable[Any]]) -> dict[Any, frozenset[str]]:
    by: defaultdict[Any, set[str]] = defaultdict(set)
    for key, things in read.items():
        for thing in things:
            by[thing].add(key)
    return {thing: frozenset(keys) for thing, keys in by.items()}


def _say(features: Features, key: int, said: Any, event: Event) -> None:
    section = features.own_section(_TRAITS_SECTION)
    registers = say(section.get(key), said, event.source, event.occurred_at, event.id)
    if registers is not None:
        section[key] = registers
