"""What the identity service makes of the interactions log: evidence, and from that who is who."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from libs.eventlog.database import Connection
from libs.eventlog.event import Batch, Recorded
from libs.eventlog.log import KeySource
from libs.eventlog.projection import BLANKED, RETRACTED, blanked_positions, retracted_positions
from libs.eventlog.verdict import DONE, Done, Output, Verdict
from libs.runtime.clock import Clock
from services.identity.codec.events import Causing, following
from services.identity.domain.anchors import Anchor, ByAnchor, EvidenceChange, differences
from services.identity.domain.evidence import Evidence, Key, Sighting, combine, observed
from services.identity.domain.identities import LARGEST_NEIGHBOURHOOD
from services.identity.remembered import Memory, Remembered
from services.identity.resolver import Cause, Causes, Resolver
from services.identity.rulebook import Reading, Rulebook
from services.identity.store.tenant import IdentityStore

CONSUMER: Final = "identities"
INTERACTIONS: Final = "interactions"

_DROPPED: Final = """
    SELECT position FROM dead_letters
    WHERE projection = $1 AND log = $2 AND tenant = $3 AND key = $4 AND kind = 'dropped'"""


Readings = Mapping[int, Reading]
"""How interactions are read, by the version of the rules that they were stamped with."""


class Placed(NamedTuple):
    """An event of the log and its partition."""

    partition: int
    recorded: Recorded


@dataclass(slots=True)
class Told:
    """What a call tells of one tenant: events, and the anchors of which some were taken back, each with the position
    up to which it is to be folded anew.
    """

    events: list[Placed] = field(default_factory=list)
    refolded: dict[Anchor, int] = field(default_factory=dict)


@dataclass(slots=True)
class News:
    """What may be new in the events of one tenant; of that, `known` is remembered to stand."""

    more: ByAnchor = field(default_factory=ByAnchor)
    known: ByAnchor = field(default_factory=ByAnchor)
    values: dict[Key, str] = field(default_factory=dict)
    sightings: list[Sighting] = field(default_factory=list)
    memories: dict[Anchor, Memory] = field(default_factory=dict)
    """Where to remember the rows of each anchor."""


@dataclass(frozen=True, slots=True)
class Consuming:
    """Folds interactions into evidence, and resolves whom that concerns, in the transaction given."""

    rulebook: Rulebook
    anchors: KeySource
    clock: Clock
    largest: int = LARGEST_NEIGHBOURHOOD
    remembered: Remembered = field(default_factory=Remembered)

    async def fold(self, connection: Connection, batches: Sequence[Batch]) -> Verdict:
        """See `Handler`."""
        self.remembered.follow(batches)
        told = _by_tenant(batches)
        for one in told.values():
            if one.refolded:
                self.remembered.forget()
        outputs: list[Output] = []
        for tenant in sorted(told):  # in this order, because the lock of each is held to the end
            outputs += await self._fold(IdentityStore(connection, tenant), told[tenant])
        return Done(outputs) if outputs else DONE

    async def _fold(self, store: IdentityStore, told: Told) -> list[Output]:
        version = await store.rules.hold()
        reading = await self.rulebook.reading(store.rules, version)
        change, sightings = await self._change(store, told)
        news = differences(change, reading.rules)
        if not (news.seen or news.pairs or news.logins):  # nearly always: all of it seen before
            await store.evidence.replace(change)
            return []
        followed = await store.waiting.lock()
        await store.rules.screen(reading.refused(_new_values(change)))
        resolver = Resolver(store, reading.rules, self.clock.now(), self.largest, followed=followed)
        changes = await resolver.observe(change, news, _causes(told, sightings, change))
        causes = {one.cause for one in changes}
        places = {id_: placed for placed in told.events if (id_ := placed.recorded.event.id) in causes}
        causing = {id_: Causing.of(placed.recorded.event) for id_, placed in places.items()}
        return [
            Output(places[one.cause].partition, places[one.cause].recorded.position, event)
            for one, event in zip(changes, following(store.tenant, changes, causing), strict=True)
        ]

    async def _change(self, store: IdentityStore, told: Told) -> tuple[EvidenceChange, list[Sighting]]:
        """What the events say, beside what was known of their anchors."""
        news = await self._told(store, told)
        before = await store.evidence.like(news.more, news.known)
        after = ByAnchor()
        for anchor, evidence in news.more.items():
            stood = before.get(anchor)
            if stood is not None:
                memory = news.memories[anchor]
                for key, seen in stood.seen.items():
                    memory.put((store.tenant, anchor, key), seen)
                stood = _copy(stood)
                combine(stood, evidence)
            after[anchor] = stood or evidence
        if told.refolded:
            before.update(await store.evidence.whole(told.refolded.keys()))
            for anchor, until in told.refolded.items():
                after[anchor] = await self._folded_anew(store, anchor, until, news.values)
        return EvidenceChange(before, after, news.values, bool(told.refolded)), news.sightings

    async def _told(self, store: IdentityStore, told: Told) -> "News":
        """What the events say, less those of which it is remembered that they only say again what is known."""
        news = News()
        more, known, memories, values = news.more, news.known, news.memories, news.values
        readings = await self._readings(store, (recorded for _, recorded in told.events))
        tenant, refolded = store.tenant, told.refolded
        for partition, recorded in told.events:
            event = recorded.event
            anchor, reading = event.key, readings[event.rules_version]
            said = reading.said(recorded) if anchor not in refolded else None
            if said is None:
                continue
            found, memory = reading.identifiers(said), self.remembered.of(partition).seen
            if len(found) == 1:  # as nearly always; and then nearly always known
                before_it = memory.get((tenant, anchor, found[0].key))
                if before_it is not None and before_it.recorded_at <= recorded.recorded_at:
                    continue
            sighting = reading.seen(recorded, said, found, values)
            news.sightings.append(sighting)
            evidence = more.get(anchor)
            if evidence is None:
                memories[anchor] = memory
                more[anchor] = observed(sighting)
            else:
                combine(evidence, observed(sighting))
            for one in found:
                since = memory.get((tenant, anchor, one.key))
                if since is not None:
                    known.of(anchor).seen[one.key] = since
        return news

    async def _folded_anew(self, store: IdentityStore, anchor: Anchor, until: int, values: dict[Key, str]) -> Evidence:
        """The evidence of an anchor without what was taken back, from its owner's log up to a position."""
        rows = await store.connection.fetch(_DROPPED, CONSUMER, INTERACTIONS, store.tenant, anchor)
        gone = {row["position"] for row in rows}
        sightings: dict[int, Sighting] = {}
        async for page in self.anchors.read_key(store.tenant, anchor):
            known = [recorded for recorded in page if recorded.position <= until]
            gone |= retracted_positions(known) | blanked_positions(known)
            readings = await self._readings(store, known)
            for recorded in known:
                sighting = readings[recorded.event.rules_version].sighting(recorded, values)
                if sighting is not None:
                    sightings[recorded.position] = sighting
            await store.connection.execute("SELECT 1")  # a silent transaction is ended, and a long history takes long
        evidence = Evidence()
        for position, sighting in sightings.items():
            if position not in gone:
                combine(evidence, observed(sighting))
        return evidence

    async def _readings(self, store: IdentityStore, events: Iterable[Recorded]) -> Readings:
        versions = {recorded.event.rules_version for recorded in events}
        return {version: await self.rulebook.reading(store.rules, version) for version in versions}


def _by_tenant(batches: Sequence[Batch]) -> dict[str, Told]:
    told: dict[str, Told] = {}
    for batch in batches:
        for recorded in batch.recorded():
            event = recorded.event
            of_tenant = told.get(event.tenant)
            if of_tenant is None:
                of_tenant = told[event.tenant] = Told()
            of_tenant.events.append(Placed(batch.partition, recorded))
            if event.type in {RETRACTED, BLANKED} or event.key in of_tenant.refolded:
                of_tenant.refolded[event.key] = recorded.position
    return told


def _new_values(change: EvidenceChange) -> set[tuple[Key, str, str]]:
    return {
        (key, seen.type, change.values[key])
        for _, before, after in change.each()
        for key, seen in after.seen.items()
        if key not in before.seen
    }


def _causes(told: Told, sightings: Iterable[Sighting], change: EvidenceChange) -> Causes:
    """What touched which identifier: the last sighting of it, or the event that took one back."""
    causes = Causes()
    for sighting in sightings:
        cause = Cause(sighting.recorded_at, sighting.event_id)
        for one in sighting.identifiers:
            causes[one.key] = max(cause, causes.get(one.key, cause))
    for _, recorded in told.events:
        anchor = recorded.event.key
        if anchor in told.refolded:
            cause = Cause(recorded.recorded_at, recorded.event.id)
            for key in change.before.of(anchor).seen.keys() | change.after.of(anchor).seen.keys():
                causes[key] = max(cause, causes.get(key, cause))
    return causes


def _copy(evidence: Evidence) -> Evidence:
    return Evidence(dict(evidence.seen), dict(evidence.pairs), dict(evidence.logins))
