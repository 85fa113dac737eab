"""The score of a tag as a definition of its own: published with the tag, answered, held by level, and told."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

from libs.conditions.features import Features
from libs.conditions.numbers import Bound
from libs.conditions.references import leaves
from libs.conditions.said import Said
from libs.conditions.tree import AnyOf, Condition, Did
from libs.conditions.tree import Score as Asking
from services.tagging.domain import decay, ranking
from services.tagging.domain.asked import Asked
from services.tagging.domain.cuts import CutMade, measure_of, newest
from services.tagging.domain.decay import Contribution
from services.tagging.domain.definition import Definition
from services.tagging.domain.score import ByEvidence, ByRank, Days, Places, Score, Scored, score_name
from services.tagging.domain.score_reading import read_score
from services.tagging.domain.tag import TagDefinition
from services.tagging.domain.verdict import Verdict


@dataclass(frozen=True, kw_only=True)
class ScoreDefinition:
    """One version of the score of a tag. What somebody holds by it is the name of its level.

    `cut` is the one that they are ranked by, and `sides` are the scores, in ten-thousandths, at which the answers of
    others change.
    """

    tells_all: ClassVar[bool] = False
    """Others read the score itself, and only another level is told."""

    key: str
    version: int
    titles: Mapping[str, str]
    owner: str
    score: Score
    cut: CutMade | None = None
    sides: frozenset[int] = frozenset()
    _places: dict[str, Places] = field(default_factory=dict, compare=False, repr=False)

    @property
    def name(self) -> str:
        """See `Definition`."""
        return score_name(self.key)

    @property
    def options(self) -> Collection[str]:
        """See `Definition`."""
        return [level.name for level in self.score.levels]

    def conditions(self) -> dict[str, Condition]:
        """See `Definition`."""
        return {**self.score.conditions(self.key)}

    def everything(self) -> Condition:
        """See `Definition`."""
        return AnyOf(tuple(self.conditions().values()))

    def placed(self) -> Iterator[tuple[str, Condition]]:
        """See `Definition`. Feedback is Portrait's own, and what a rank measures stands in the tag."""
        if isinstance(self.score, ByEvidence):
            for one in self.score.evidence:
                if one.about.startswith("evidence"):
                    yield f"score.{one.about}", one.did

    def differences(self, former: Definition) -> Iterator[str]:
        """See `Definition`."""
        if not isinstance(former, ScoreDefinition) or former.score != self.score:
            yield "another score policy"

    def verdict(self, asked: Asked) -> Verdict:
        """What level somebody is at, and until when time alone leaves them there, and others' answers as they are."""
        if asked.features is None:
            return Verdict(None)
        kept, day = self._kept(asked.features, asked), asked.day
        found, changes_on = self._scored(kept, day), self._changes_on(kept, day)
        changes_at = None if changes_on is None else asked.calendar.start_of(changes_on)
        return Verdict(found.level or None, changes_at, points=found.value)

    def scored(self, asked: Asked) -> Scored | None:
        """The score of a person at a moment; None where nothing is known of them at all."""
        return None if asked.features is None else self._scored(self._kept(asked.features, asked), asked.day)

    def points(self, asked: Asked) -> int | None:
        """See `services.tagging.domain.scores.Scored`."""
        found = self.scored(asked)
        return None if found is None else found.value

    def dids(self) -> list[Did]:
        """What each of the contributions is about."""
        return [one.did for one in self.score.evidence] if isinstance(self.score, ByEvidence) else [self.score.did]

    def contributions(self, asked: Asked) -> list[Contribution]:
        """What each kind of evidence brings to the score of a person at a moment."""
        if asked.features is None:
            return []
        kept = self._kept(asked.features, asked)
        if isinstance(self.score, ByEvidence):
            return decay.contributions(self.score, kept, asked.day)
        return ranking.contributions(self.score, kept, asked.day)

    def days(self, features: Features, zone: str) -> list[Days]:
        """What is kept by day of somebody for it; `zone` is the tenant's."""
        places = self._places.get(zone)
        if places is None:
            places = self._places[zone] = Places(self.score, zone)
        return places.days(features.sections)

    def _kept(self, features: Features, asked: Asked) -> list[Days]:
        return self.days(features, asked.calendar.zone.key)

    def _scored(self, kept: Sequence[Days], day: int) -> Scored:
        if isinstance(self.score, ByEvidence):
            return decay.scored(self.score, kept, day)
        return ranking.scored(self.score, self.cut.thresholds if self.cut else (), kept, day)

    def _changes_on(self, kept: Sequence[Days], day: int) -> int | None:
        if isinstance(self.score, ByEvidence):
            return decay.changes_on(self.score, kept, day, self.sides)
        return ranking.changes_on(self.score, self.cut.thresholds if self.cut else (), kept, day)


def read_score_of(said: Said, tag: TagDefinition) -> tuple[ScoreDefinition, ...]:
    """The score that a tag's document says, if it says one; raises `InvalidArgument` with the path inside of it."""
    if "score" not in said.entries():
        return ()
    measured = tag.rungs[0].condition if tag.rungs and tag.rungs[0].value is None else None
    score = read_score(said.entries()["score"], tag.key, measured)
    return (ScoreDefinition(key=tag.key, version=tag.version, titles=tag.titles, owner=tag.owner, score=score),)


def in_use(definitions: Mapping[str, Definition], cuts: Collection[CutMade]) -> Mapping[str, Definition]:
    """The same definitions, of which scores know how they are ranked, and where the answers of others change."""
    scores = [one for one in definitions.values() if isinstance(one, ScoreDefinition)]
    if not scores:
        return definitions
    sides = _sides(definitions.values())
    armed = {
        one.name: replace(one, cut=_cut(one, cuts), sides=frozenset(sides.get(one.key, ())), _places={})
        for one in scores
    }
    return {**definitions, **armed}


def _cut(score: ScoreDefinition, cuts: Collection[CutMade]) -> CutMade | None:
    return newest(cuts, score.key, measure_of(score.score)) if isinstance(score.score, ByRank) else None


def _sides(definitions: Iterable[Definition]) -> dict[str, set[int]]:
    """The scores at which a condition that reads them is answered otherwise, by key."""
    found: dict[str, set[int]] = {}
    for definition in definitions:
        for leaf in leaves(definition.everything()):
            if isinstance(leaf, Asking):
                found.setdefault(leaf.key, set()).update(_ends(leaf.bound))
    return found


def _ends(bound: Bound) -> Iterator[int]:
    """The first score on the upper side of each end."""
    if bound.low is not None:
        yield bound.low + bound.low_open
    if bound.high is not None:
        yield bound.high + (not bound.high_open)
