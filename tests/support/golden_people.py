"""Who is who, and everybody's portrait: what must follow from two logs, by the pure functions alone."""

from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, reduce
from operator import attrgetter
from typing import cast

from portrait.identity.v1 import events_pb2
from portrait.profile.v1 import profiles_service_pb2 as pb

from libs.eventlog.event import Recorded, partition_of
from libs.eventlog.log import LogSource
from libs.eventlog.projection import Folded, LazyProjection, refold, standing
from libs.eventlog.versions import Version
from libs.people.anchor import Anchoring
from libs.people.identifiers import Claimed
from libs.people.identity_events import CutMade, news_in
from libs.people.identity_map import IdentityMap
from libs.people.person import Member, Name, Person
from libs.people.placing import Placing
from libs.people.rules_document import read_rules
from libs.people.spans import WHOLE, Cut, Span
from libs.runtime.clock import SystemClock
from libs.runtime.tenants import Tenant, Tenants
from services.identity.codec.events import DECISIONS, RULES_PUBLISHED, decision_of
from services.identity.domain.decisions import Decisions
from services.identity.domain.decisions import evolve as evolve_decisions
from services.identity.domain.evidence import Evidence, Key, combine, observed
from services.identity.domain.rules import RulesHistory, RulesPublished
from services.identity.domain.rules import evolve as evolve_rules
from services.identity.domain.standing import Case
from services.identity.rulebook import Reading
from services.profile.codec.portraits import show
from services.profile.domain.calendar import Calendar
from services.profile.domain.portrait import Portrait
from services.profile.domain.portrait import combine as combine_portraits
from services.profile.domain.schema_history import SchemaHistory
from services.profile.domain.view import view
from services.profile.projections import PORTRAITS, portraits
from services.profile.schemas import Schemas

_version = attrgetter("version")


class _AsShipped:
    """Nobody publishes schemas here."""

    def of(self, _: str) -> SchemaHistory:
        return SchemaHistory()


@dataclass
class GoldenPeople:
    """One tenant's people. The identity log is told first, for interactions are read by rules that it published."""

    tenant: Tenant
    partitions: int
    map: IdentityMap = field(default_factory=IdentityMap, init=False)
    rules: RulesHistory = field(default_factory=RulesHistory, init=False)
    _decisions: Decisions = field(default_factory=Decisions, init=False)
    _cuts: dict[Key, CutMade] = field(default_factory=dict, init=False)
    _logs: dict[Key, Sequence[Recorded]] = field(default_factory=dict, init=False)
    _evidence: dict[Key, Evidence] = field(default_factory=dict, init=False)
    _values: dict[Key, str] = field(default_factory=dict, init=False)
    _readings: dict[int, Reading] = field(default_factory=dict, init=False)
    _parted: dict[Key, tuple[int, Mapping[Span, Sequence[Recorded]]]] = field(default_factory=dict, init=False)

    def identified(self, more: Iterable[Recorded]) -> None:
        """Take in more of the identity log: decisions, rules, and whom that makes who."""
        more = list(more)
        for recorded in more:
            if recorded.event.type in DECISIONS:
                decision, values = decision_of(recorded)
                evolve_decisions(self._decisions, decision)
                self._values.update(values)
            elif recorded.event.type == RULES_PUBLISHED:
                said = events_pb2.RulesPublished.FromString(recorded.event.payload)
                self.rules = evolve_rules(self.rules, RulesPublished(read_rules(said.document, said.version)))
        for news in news_in(recorded.event for recorded in more).values():
            self.map.learn(news)
            for made in news.cuts:
                self._cuts[made.identifier] = max(made, self._cuts.get(made.identifier, made), key=_version)

    def collected(self, anchor: Key, log: Sequence[Recorded]) -> None:
        """Take in all that is filed under an anchor, in place of what was so far."""
        evidence = Evidence()
        for recorded in standing(log):
            sighting = self.reading(recorded.event.rules_version).sighting(recorded, self._values)
            if sighting is not None:
                combine(evidence, observed(sighting))
        self._logs[anchor], self._evidence[anchor] = log, evidence
        self._parted.pop(anchor, None)

    @property
    def case(self) -> Case:
        """Everything that decides who is who."""
        total = Evidence()
        for evidence in self._evidence.values():
            combine(total, evidence)
        types = {**self._decisions.types, **{key: seen.type for key, seen in total.seen.items()}}
        rules = self.rules.current
        refused = self.reading(rules.version).refused((key, type_, self._values[key]) for key, type_ in types.items())
        return Case(total, self._decisions, rules, frozenset(refused))

    @property
    def cuts(self) -> dict[Key, Cut]:
        """How identifiers are cut, as the identity log says."""
        return {key: made.cut for key, made in self._cuts.items() if made.cut is not None}

    @property
    def anchors(self) -> Collection[Key]:
        """All that something is filed under."""
        return self._logs.keys()

    async def parts(self, anchor: Key) -> Mapping[Span, Sequence[Recorded]]:
        """What is filed under an anchor, by its spans: the same object until more is, or it is cut otherwise."""
        made = self._cuts.get(anchor)
        return await self._parts(Member(anchor, WHOLE, made.cut, made.version) if made else Member(anchor))

    def value(self, key: Key) -> str:
        """The normal form of an identifier that was collected or decided about."""
        return self._values[key]

    def reading(self, version: int) -> Reading:
        """How interactions are read that are stamped with a version of the rules."""
        known = self._readings.get(version)
        if known is None:
            (rules,) = (one for one in self.rules.versions if one.version == version)
            known = self._readings[version] = Reading(rules, self.tenant)
        return known

    def key(self, type_: str, value: str) -> Key:
        """The key of an identifier by the rules in force."""
        ((found,), _) = self._anchoring.identify([Claimed(type_, value)])
        return found.key

    async def profiles(self, names: Sequence[Key]) -> dict[Key, pb.Profile]:
        """What `BatchGetProfiles` must answer of whoever has these OneIDs, present or former."""
        people = self.map.people([Name(name) for name in names])
        shown = {id_: await self._profile(person) for id_, person in {one.id: one for one in people}.items()}
        return {name: shown[person.id] for name, person in zip(names, people, strict=True)}

    async def _profile(self, person: Person) -> pb.Profile:
        folded = [(member.identifier, await self._part(member)) for member in person.members]
        known = [(anchor, part) for anchor, part in folded if part.state.interactions]
        wire = pb.Profile(person_id=person.id.hex())
        if known:
            seen = view(
                reduce(combine_portraits, (part.state for _, part in known), Portrait()),
                SystemClock().now(),
                Calendar(self.tenant.zone, self.tenant.currency),
                self.tenant.source_ranks,
                self._normal,
            )
            contains: dict[int, int] = {}
            for anchor, part in known:
                partition = partition_of(anchor, self.partitions)
                contains[partition] = max(part.position, contains.get(partition, 0))
            anchors = list(dict.fromkeys(anchor for anchor, _ in known))
            calendar = Calendar(self.tenant.zone, self.tenant.currency)
            show(wire, seen, calendar, contains=contains, parked_at=None, anchors=anchors)
        return wire

    async def _part(self, member: Member) -> Folded[Portrait]:
        """A part of an anchor, folded from its log."""
        log = self._logs.get(member.identifier, ())
        whole = member.cut is None and member.span == WHOLE
        folded = refold(self._projection, log if whole else (await self._parts(member)).get(member.span, ()))
        folded.position = log[-1].position if log else 0
        return folded

    async def _parts(self, member: Member) -> Mapping[Span, Sequence[Recorded]]:
        """An anchor's log by its spans; of one that is not cut, or no more, there is one."""
        version, parts = self._parted.get(member.identifier, (-1, {}))
        if version != member.version:
            log = self._logs.get(member.identifier, ())
            parts = {WHOLE: log} if member.cut is None else await Placing(self._at).parted(member.cut, log)
            self._parted[member.identifier] = member.version, parts
        return parts

    async def _at(self, _: str, version: int) -> Anchoring:
        return self.reading(version).anchoring

    def _normal(self, type_: str, value: str) -> str | None:
        found, _ = self._anchoring.identify([Claimed(type_, value)])
        return found[0].value if found else None

    @property
    def _anchoring(self) -> Anchoring:
        return self.reading(self.rules.current.version).anchoring

    @cached_property
    def _projection(self) -> LazyProjection[Portrait]:
        declared = portraits(Tenants({self.tenant.id: self.tenant}), cast("Schemas", _AsShipped()))
        return declared.of(Version(PORTRAITS, 1, PORTRAITS, dict(declared.first()), "active", 0))


async def golden_of(tenant: Tenant, interactions: LogSource, identity: LogSource) -> GoldenPeople:
    """The people of a tenant, told all that both logs hold."""
    golden = GoldenPeople(tenant, len(await interactions.heads()))
    golden.identified([one async for one in _events(tenant, identity)])
    anchors: dict[Key, list[Recorded]] = {}
    async for recorded in _events(tenant, interactions):
        anchors.setdefault(recorded.event.key, []).append(recorded)
    for anchor, log in anchors.items():
        golden.collected(anchor, log)
    return golden


async def _events(tenant: Tenant, log: LogSource) -> AsyncIterator[Recorded]:
    for partition in await log.heads():
        async for batch in log.read(partition, 0):
            for recorded in batch.recorded():
                if recorded.event.tenant == tenant.id:
                    yield recorded
