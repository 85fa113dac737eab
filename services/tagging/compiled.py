"""The definitions of a tenant, compiled into what people are answered by."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from libs.conditions.features import Features
from libs.conditions.plan import Plan
from libs.conditions.references import references
from libs.conditions.standing import NOBODY, Answer, Standing
from libs.conditions.tree import Trait
from libs.runtime.clock import Micros
from services.tagging.domain.around import Around
from services.tagging.domain.asked import Asked
from services.tagging.domain.by_hand import ByHand
from services.tagging.domain.cuts import CutMade
from services.tagging.domain.definition import Definition
from services.tagging.domain.names import EVERYONE, STAGE, document_name, kind_of, name_of, reference_of
from services.tagging.domain.registry import in_order
from services.tagging.domain.score_definition import ScoreDefinition, in_use
from services.tagging.domain.scores import Scored, Scores
from services.tagging.domain.segment import Everyone

ZONE: Final = "zone"
"""What conditions call the zone that somebody lives in, and the name in a plan of what keeps it."""
TIMEZONE: Final = "timezone"
"""The trait that says it."""

_NO: Final = Answer(holds=False)
_NO_SCORES: Final[Mapping[str, int]] = {}


@dataclass(frozen=True)
class Compiled:
    """Definitions that people are answered by at one version of a tenant's catalogue; it never changes.

    `definitions` and `order`, in which they are answered, go by name; the plan by the names of their conditions.
    `causes` are the ids of the events that published the documents, and that retired former ones, by their names.
    """

    version: int
    plan: Plan
    order: Sequence[str]
    definitions: Mapping[str, Definition]
    causes: Mapping[str, bytes]

    def names_of(self, affected: Iterable[str]) -> set[str]:
        """The definitions whose conditions a fold names as affected."""
        names = self._names
        return {name for one in affected for name in names[one]}

    @cached_property
    def _names(self) -> Mapping[str, Collection[str]]:
        """The definitions that each condition of the plan is of; the zone is of all that read it."""
        names: dict[str, Collection[str]] = {
            one: (name,) for name, definition in self.definitions.items() for one in definition.conditions()
        }
        names[ZONE] = {name_of(one) for one in self.plan.readers(ZONE)}
        return names

    @cached_property
    def readers(self) -> Mapping[str, Collection[int]]:
        """The places of the definitions that read another, by its name; of those that none reads there are none."""
        read = {name: self.names_of(self.plan.readers(reference_of(name))) for name in self.order}
        return {name: [self.place[one] for one in sorted(those)] for name, those in read.items() if those}

    def asked(
        self,
        features: Features | None,
        around: Around,
        said: Mapping[str, ByHand],
        ranks: Mapping[str, int],
        now: Micros,
    ) -> Asked:
        """A person at a moment; `ranks` are those of sources.

        What is answered later than it is asked for must be let into `around` before it is read.
        """
        calendar = self.plan.zones.tenant
        if features is None:
            return Asked(lambda _: _NO, None, NOBODY, said, now, calendar)
        traits = self.plan.traits(features, ranks)
        zone = traits.get(TIMEZONE)
        scores = Scores(self.scored) if self.scored else None
        standing = Standing(
            traits,
            around.tags,
            _NO_SCORES if scores is None else scores,
            around.stages,
            around.tiers,
            around.segments,
            zone if isinstance(zone, str) else "",
        )
        asked = Asked(self.plan.asking(features, standing, now), features, standing, said, now, calendar)
        return asked if scores is None else scores.of(asked)

    def cause(self, name: str) -> bytes | None:
        """The event that published, or retired, a definition with its document; None for what is built in."""
        return self.causes.get(document_name(name))

    @cached_property
    def place(self) -> Mapping[str, int]:
        """Where each definition stands in the order."""
        return {name: index for index, name in enumerate(self.order)}

    @cached_property
    def scored(self) -> Mapping[str, Scored]:
        """The scores, by key."""
        return {one.key: one for one in self.scores.values()}

    @cached_property
    def scores(self) -> Mapping[str, ScoreDefinition]:
        """The scores, by name."""
        return {name: one for name, one in self.definitions.items() if isinstance(one, ScoreDefinition)}

    def otherwise_than(self, former: "Compiled") -> set[str]:
        """The definitions by which people are answered otherwise than they were by former ones."""
        now, then = ({(name, one.version) for name, one in each.definitions.items()} for each in (self, former))
        return {name for name, _ in now ^ then}


def compile_definitions(
    definitions: Mapping[str, Definition],
    zone: str,
    version: int,
    causes: Mapping[str, bytes],
    cuts: Collection[CutMade] = (),
) -> Compiled:
    """Definitions as one plan; `cuts` are those that people may be ranked by.

    Raises `InvalidArgument` where definitions read one another in a circle.
    """
    definitions = in_use(definitions, cuts)
    if any(kind_of(name) == "segment" for name in definitions):
        definitions = {**definitions, EVERYONE: Everyone()}
    conditions = {name: one for definition in definitions.values() for name, one in definition.conditions().items()}
    if any(ZONE in references(one) for one in conditions.values()):
        conditions[ZONE] = Trait(TIMEZONE)
    by_day = {name for name in conditions if name_of(name) == STAGE}
    return Compiled(version, Plan(conditions, zone, by_day=by_day), in_order(definitions), definitions, causes)


def compile_apart(definitions: Collection[Definition], live: Compiled, zone: str) -> Compiled:
    """Some definitions, and the scores that they read of those that are live: to answer one person by, and no more."""
    apart = {one.name: one for one in definitions}
    read = frozenset[str]().union(*(references(one.everything()) for one in definitions))
    apart |= {name: live.definitions[name] for name in read if name in live.scores and name not in apart}
    cuts = [cut for one in live.scores.values() if (cut := one.cut) is not None]
    return compile_definitions(apart, zone, 0, {}, cuts)
