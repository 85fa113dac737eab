"""Whether everybody has the tags that they must: whatever was said is in the log once, and the rest follows."""

import asyncio
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import asyncpg
from portrait.identity.v1.person_pb2 import PersonReference
from portrait.log.v1 import event_pb2 as log_pb
from portrait.tagging.v1 import events_pb2 as events
from portrait.tagging.v1 import tags_service_pb2 as pb
from portrait.tagging.v1 import tags_service_pb2_grpc as rpc

from libs.conditions.event import Event
from libs.eventlog.projection import standing as surviving
from libs.people.spans import Span, own_id
from libs.rpc.client import channel, metadata_for
from libs.runtime.clock import Micros, SystemClock
from services.tagging.codec.by_hand import TAG_CLEARED, TAG_SET
from services.tagging.codec.changes import (
    ASSIGNED,
    ENTERED,
    LEFT,
    REMOVED,
    SCORE_MOVED,
    STAGE_ENTERED,
    TIER_CHANGED,
)
from services.tagging.codec.interactions import event_of
from services.tagging.codec.publications import PUBLISHED, TAG_RETIRED
from services.tagging.codec.values import value_of
from services.tagging.compiled import compile_definitions
from services.tagging.domain.by_hand import ByHand, Known, standing
from services.tagging.domain.kinds import read_definitions
from services.tagging.domain.names import EVERYONE, STAGE, TIER
from services.tagging.domain.score import score_name
from services.tagging.handlers.event_ids import event_id
from services.tagging.store.holdings import HoldingRows
from tests.chaos.golden import PARTITIONS
from tests.chaos.history import History, Row, told
from tests.chaos.stage import TAGGINGS, Stage
from tests.chaos.tagging import TagMinutes
from tests.chaos.town import TENANT
from tests.support.golden_people import GoldenPeople
from tests.support.golden_tags import GoldenTags, Tags, Values, tell

ANSWERED_WITHIN: Final = 30.0  # seconds
ASKED_AT_ONCE: Final = 20
LOOK_EVERY: Final = 0.02  # seconds

_ASKED_FOR: Final = frozenset({*PUBLISHED.values(), TAG_RETIRED, TAG_SET})
_PAYLOADS: Final[Mapping[str, Any]] = {
    PUBLISHED["tag"]: events.TagPublished,
    PUBLISHED["segment"]: events.SegmentPublished,
    PUBLISHED["tiers"]: events.TiersPublished,
    PUBLISHED["lifecycle"]: events.LifecyclePublished,
}
_TELLING: Final = (ASSIGNED, REMOVED, ENTERED, LEFT, SCORE_MOVED, STAGE_ENTERED, TIER_CHANGED)

_DUE: Final = "SELECT count(*) FROM due WHERE at <= $1"
_PARKED: Final = "SELECT position, cause FROM dead_letters"
_HOLDING: Final = "SELECT person FROM holdings"

_Wrong = tuple[bytes, str]  # a person, and in words what is wrong with what they have


@dataclass
class Tagged:
    """The tags log as it was at the last look, and what it, who is who and the interactions give everybody."""

    stage: Stage
    golden: GoldenPeople
    log: History = field(default_factory=lambda: History("tags", PARTITIONS), init=False)
    wrong: set[bytes] = field(default_factory=set, init=False)
    """Who was found to hold something else than they must at the last look."""
    _definitions: dict[str, tuple[int, str]] = field(default_factory=dict, init=False)
    _versions: dict[tuple[str, int], str] = field(default_factory=dict, init=False)
    _said: dict[tuple[bytes, str], Known] = field(default_factory=dict, init=False)
    _said_at: dict[tuple[bytes, str], Micros] = field(default_factory=dict, init=False)
    _told: Values = field(default_factory=dict, init=False)
    _events: dict[bytes, tuple[object, Mapping[Span, list[Event]]]] = field(default_factory=dict, init=False)

    async def violations(self, pool: asyncpg.Pool, minutes: TagMinutes, names: Collection[bytes]) -> list[str]:
        """Everything wrong since the last look; `names` are OneIDs, present or former, to ask each replica for."""
        clock = SystemClock()
        since = clock.now()
        late = await _answered(pool, since)
        async with pool.acquire() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
            rows = await self.log.read_on(connection)
            people = [row["person"] for row in await connection.fetch(_HOLDING)]
            held = await HoldingRows(connection, TENANT).load(people)
        tables = {one: {tag: (of.value, of.of) for tag, of in held[one].tags.items()} for one in people}
        shown = await self._shown({self.golden.map.current(name) for name in names})
        found = [
            *told(minutes.wrong),
            *late,
            *told([f"tagging parked {position}: {cause}" for position, cause in await pool.fetch(_PARKED)]),
            *told(list(self._take(rows, minutes))),
            *told(list(self._missing(rows, minutes))),
            *told(self.log.wrong),
            *told([words for _, words in _differences("the tables give", tables, "the log told of", self._told)]),
        ]
        # Time alone changes tags, also while somebody looks.
        wrong = await self._wrong(tables, shown, since)
        if wrong:
            wrong &= await self._wrong(tables, shown, clock.now())
        self.wrong = {person for person, _ in wrong}
        return found + list(told(sorted(words for _, words in wrong)))

    def _take(self, rows: Sequence[Row], minutes: TagMinutes) -> Iterator[str]:
        """Let what the log says stand; what is wrong with it."""
        asked = {event_id(TENANT, type_, one) for one in minutes.asked for type_ in _ASKED_FOR}
        for row in rows:
            event = row.event
            if event.type in _ASKED_FOR and event.id not in asked:
                yield f"the tags log holds at {row.place} a {event.type} that nobody asked for"
            try:
                {
                    **dict.fromkeys(_PAYLOADS, self._publish),
                    TAG_RETIRED: self._retire,
                    TAG_SET: self._set,
                    TAG_CLEARED: self._clear,
                    **dict.fromkeys(_TELLING, self._tell),
                }[event.type](event)
            except KeyError:
                yield f"the tags log takes away at {row.place} by {event.type} what was not there"

    def _publish(self, event: log_pb.Event) -> None:
        said = _PAYLOADS[event.type].FromString(event.payload)
        name = read_definitions(said.document, said.version)[0].name
        self._definitions[name] = said.version, said.document
        self._versions[name, said.version] = said.document

    def _retire(self, event: log_pb.Event) -> None:
        del self._definitions[events.TagRetired.FromString(event.payload).tag]

    def _set(self, event: log_pb.Event) -> None:
        said = events.TagSet.FromString(event.payload)
        value, set_at = value_of(said.value), self._later(event, said.tag)
        assert value is not None
        self._said[event.key, said.tag] = Known(event.key, said.tag, ByHand(value, set_at, event.id), said.by)

    def _clear(self, event: log_pb.Event) -> None:
        tag = events.TagCleared.FromString(event.payload).tag
        self._later(event, tag)
        del self._said[event.key, tag]

    def _later(self, event: log_pb.Event, tag: str) -> Micros:
        """When something was said: later than what was said before of the same, whatever clocks showed."""
        place = event.key, tag
        self._said_at[place] = max(event.occurred_at_micros, self._said_at.get(place, -1) + 1)
        return self._said_at[place]

    def _tell(self, event: log_pb.Event) -> None:
        tell(self._told, event)

    def _missing(self, rows: Sequence[Row], minutes: TagMinutes) -> Iterator[str]:
        """What was acknowledged, and is not in the log as it was said."""
        for one in minutes.defined:
            if self._versions.get((one.name, one.version)) != one.document:
                yield f"version {one.version} of {one.name} was acknowledged, which the log has not or otherwise"
        at = {row.place: row.event.id for row in rows}
        for said in minutes.told:
            if at.get(said.place) != said.event_id:
                yield f"{said.request_id} was acknowledged at {said.place}, where the log has it not"

    async def _shown(self, people: Collection[bytes]) -> dict[str, Values]:
        """What each replica says that people have; of some people the one is asked, of the others the other."""
        names, shown = sorted(people), dict[str, Values]()
        for index, replica in enumerate(TAGGINGS):
            asked, found = names[index :: len(TAGGINGS)], shown.setdefault(replica, {})
            async with channel(self.stage.replicas[replica].target) as connected:
                tags: Any = rpc.TagsStub(connected)
                for start in range(0, len(asked), ASKED_AT_ONCE):
                    some = asked[start : start + ASKED_AT_ONCE]
                    answers = await asyncio.gather(*(_asked(tags, person) for person in some))
                    found.update(zip(some, answers, strict=True))
        return shown

    async def _wrong(self, tables: Values, shown: Mapping[str, Values], now: Micros) -> set[_Wrong]:
        """What people have that they must not have at a moment, or have not."""
        must = await self._must(now)
        wrong = set(_differences("the tables give", tables, "they must have", must))
        for replica, answers in shown.items():
            those = {person: _shown_of(must.get(person, {})) for person in answers}
            wrong |= set(_differences(f"{replica}: it gives", answers, "they must have", those))
        return wrong

    async def _must(self, now: Micros) -> Values:
        documents = self._definitions.values()
        definitions = {one.name: one for version, text in documents for one in read_definitions(text, version)}
        tenant = self.golden.tenant
        golden = GoldenTags(tenant, compile_definitions(definitions, tenant.zone, 0, {}))
        whose = {own_id(identifier, span): person for identifier, span, person, _ in self.golden.map.rows()}
        happened: dict[bytes, list[Event]] = {}
        for anchor in self.golden.anchors:
            for span, some in (await self._happened(anchor)).items():
                place = own_id(anchor, span)
                happened.setdefault(whose.get(place, place), []).extend(some)
        said: dict[bytes, list[Known]] = {}
        for (place, _), one in self._said.items():
            said.setdefault(whose.get(place, place), []).append(one)
        return {
            person: golden.held(
                happened.get(person, ()), {tag: one.said for tag, one in standing(said.get(person, ())).items()}, now
            )
            for person in happened.keys() | said.keys()
        }

    async def _happened(self, anchor: bytes) -> Mapping[Span, list[Event]]:
        """What happened under an anchor, by its spans."""
        parts = await self.golden.parts(anchor)
        known = self._events.get(anchor)
        if known is None or known[0] is not parts:
            read = {
                span: [event for one in surviving(those) if (event := event_of(one.event)) is not None]
                for span, those in parts.items()
            }
            known = self._events[anchor] = parts, read
        return known[1]


async def _answered(pool: asyncpg.Pool, until: Micros) -> list[str]:
    """Wait until everybody has been answered as of a moment."""
    end = time.monotonic() + ANSWERED_WITHIN
    while due := await pool.fetchval(_DUE, until):
        if time.monotonic() > end:
            return [f"{due} people who were due {ANSWERED_WITHIN:g} s ago have not been answered"]
        await asyncio.sleep(LOOK_EVERY)
    return []


async def _asked(tags: Any, person: bytes) -> Tags:
    request = pb.GetPersonTagsRequest(person=PersonReference(person_id=person.hex()))
    answer = await tags.GetPersonTags(request, timeout=60, metadata=metadata_for(TENANT))
    held: Tags = {one.tag: (value_of(one.value), one.of) for one in answer.tags}
    held |= {f"segment:{one.segment}": (True, "") for one in answer.segments}
    held |= {score_name(one.tag): (one.level, "") for one in answer.scores if one.level}
    if answer.HasField("tier"):
        held[TIER] = answer.tier.tier, ""
    if answer.HasField("stage"):
        held[STAGE] = answer.stage.stage, ""
    return held if answer.person_id == person.hex() else {"(another person)": (answer.person_id, "")}


def _shown_of(held: Tags) -> Tags:
    """What of it is shown: that somebody is one of everyone goes without saying."""
    return {name: value for name, value in held.items() if name != EVERYONE}


def _differences(who: str, some: Values, instead: str, others: Values) -> Iterator[_Wrong]:
    for person in some.keys() | others.keys():
        one, other = some.get(person, {}), others.get(person, {})
        for tag in one.keys() | other.keys():
            if one.get(tag) != other.get(tag):
                yield person, f"{who} {person.hex()} {tag} {one.get(tag)}, {instead} {other.get(tag)}"
