"""Stage one: interactions become features of places, and whoever is theirs becomes due."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Protocol

from portrait.log.v1 import event_pb2 as log_pb

from libs.conditions.features import Features, encode
from libs.eventlog.database import Connection
from libs.eventlog.event import Batch, Recorded
from libs.eventlog.projection import BLANKED, RETRACTED, standing
from libs.eventlog.verdict import DONE, Verdict
from libs.people.placing import Placing
from libs.people.said import INTERACTION_RECORDED
from libs.people.spans import WHOLE, Cut, own_id
from services.tagging.codec.interactions import event_of
from services.tagging.courses import Course
from services.tagging.domain.layers import BASE, Row
from services.tagging.marking import mark_places
from services.tagging.store import refolds
from services.tagging.store.due import Affected, Marks
from services.tagging.store.features import FeatureRows, Kept
from services.tagging.store.places import cuts_of, share_map

INTERACTIONS: Final = "interactions"
FEATURES: Final = "features"
"""The name of the consumer that folds live events; that of a layer that is filling has its number behind it."""

_UNDOING: Final = frozenset({RETRACTED, BLANKED})

CourseOf = Callable[[Connection, str], Awaitable[Course | None]]
"""By what a tenant's events are folded; None where they are not."""


class Folded(NamedTuple):
    """What was folded of a tenant: for what whoever has these `places` is to be due, and their features as written."""

    tenant: str
    places: Marks
    features: Mapping[bytes, Features]


class AtOnce(Protocol):
    """Whoever answers people in the transaction that made them due."""

    async def __call__(self, connection: Connection, folded: Sequence[Folded]) -> None:
        """Answer people of some tenants, in the order of these, or let them be due."""
        ...


@dataclass(slots=True)
class Told:
    """What a call tells of one tenant: events by anchor, and the anchors of which some were taken back."""

    events: dict[bytes, list[Recorded]] = field(default_factory=dict)
    undone: set[bytes] = field(default_factory=set)


class _Part(NamedTuple):
    """A part of an anchor, and what is told of it."""

    anchor: bytes
    events: Sequence[Recorded]


@dataclass(frozen=True, slots=True)
class FeatureFold:
    """Folds interactions into one layer. `layer` is `BASE` for all that count, and then people become due, or are
    answered where somebody answers `at_once`.
    """

    layer: int
    course_of: CourseOf
    placing: Placing
    at_once: AtOnce | None = None

    async def fold(self, connection: Connection, batches: Sequence[Batch]) -> Verdict:
        """See `Handler`."""
        await share_map(connection)
        told = _by_tenant(batches)
        folded: list[Folded] = []
        for tenant in sorted(told):
            course = await self.course_of(connection, tenant)
            if course is not None:
                await refolds.request(connection, tenant, told[tenant].undone, [self.layer])
                folded.append(await self._fold(FeatureRows(connection, tenant), course, told[tenant].events))
        if self.layer == BASE:
            await self._mark(connection, [one for one in folded if one.places.affected])
        return DONE

    async def fold_anew(self, connection: Connection, tenant: str, anchor: bytes, events: Sequence[Recorded]) -> None:
        """Let an anchor be what its whole log says, as far as it may be folded yet; the map must be shared."""
        course = await self.course_of(connection, tenant)
        if course is None:
            return
        rows = FeatureRows(connection, tenant)
        before = await rows.forget(anchor, course.read)
        parts = await self._parts(rows, {anchor: [one for one in standing(events) if _says(one)]})
        kept = [Kept(place, anchor, encode(self._folded(course, (), part.events)[0])) for place, part in parts.items()]
        await rows.write(course.layers.newest, kept)
        if self.layer == BASE:
            await mark_places(connection, tenant, Marks(dict.fromkeys(before | parts.keys())))

    async def _fold(self, rows: FeatureRows, course: Course, events: Mapping[bytes, Sequence[Recorded]]) -> Folded:
        parts = await self._parts(rows, events)
        known = await rows.load(parts.keys(), course.read)
        kept: list[Kept] = []
        outdated: list[bytes] = []
        due: dict[bytes, Affected] = {}
        folded: dict[bytes, Features] = {}
        for place, part in parts.items():
            before = known.get(place, ())
            features, affected = self._folded(course, before, part.events)
            if affected or not before:
                kept.append(Kept(place, part.anchor, encode(features)))
                folded[place] = features
                due[place] = affected if before else None  # whoever is new may be answered by what they did not do
                if any(row.layer != course.layers.newest for row in before):
                    outdated.append(place)
        await rows.write(course.layers.newest, kept)
        if outdated:
            await rows.settle(outdated, course.read - {course.layers.newest})
        causes = {place: parts[place].events[-1].event.id for place in due}
        historical = {place for place in due if all(map(_is_history, parts[place].events))}
        return Folded(rows.tenant, Marks(due, causes, historical), folded)

    async def _mark(self, connection: Connection, folded: Sequence[Folded]) -> None:
        if self.at_once is not None:
            await self.at_once(connection, folded)
        else:
            for one in folded:
                await mark_places(connection, one.tenant, one.places)

    def _folded(
        self, course: Course, before: Sequence[Row], events: Sequence[Recorded]
    ) -> tuple[Features, frozenset[str]]:
        """The features of a place with some more events, and the tags that may be answered otherwise."""
        features = course.layers.own(course.plan, before)
        names: set[str] = set()
        for recorded in events:
            event = event_of(recorded.event, course.plan)
            if event is not None:
                names |= course.plan.fold(features, event)
        return features, frozenset(course.compiled.names_of(names))

    async def _parts(self, rows: FeatureRows, events: Mapping[bytes, Sequence[Recorded]]) -> dict[bytes, _Part]:
        """What is told of each place."""
        cuts: Mapping[bytes, Cut] = await cuts_of(rows.connection, rows.tenant, events.keys())
        parts: dict[bytes, _Part] = {}
        for anchor, those in events.items():
            cut = cuts.get(anchor)
            for span, part in ({WHOLE: those} if cut is None else await self.placing.parted(cut, those)).items():
                if part:
                    parts[own_id(anchor, span)] = _Part(anchor, part)
        return parts


def _by_tenant(batches: Sequence[Batch]) -> dict[str, Told]:
    told: dict[str, Told] = {}
    for batch in batches:
        for recorded in batch.recorded():
            event = recorded.event
            of_tenant = told.get(event.tenant)
            if of_tenant is None:
                of_tenant = told[event.tenant] = Told()
            if event.type in _UNDOING:
                of_tenant.undone.add(event.key)
            elif _says(recorded):
                of_tenant.events.setdefault(event.key, []).append(recorded)
    return told


def _is_history(recorded: Recorded) -> bool:
    return recorded.event.mode == log_pb.MODE_HISTORICAL


def _says(recorded: Recorded) -> bool:
    """Whether it is an interaction that was not erased; of whom nothing else was ever seen, nothing is known."""
    return recorded.event.type == INTERACTION_RECORDED and bool(recorded.event.payload)
