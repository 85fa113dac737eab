"""Who publishes definitions of tags and sets tags by hand while things go wrong, asking until they are answered."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

import msgspec
from portrait.identity.v1.person_pb2 import PersonReference
from portrait.profile.v1.interaction_pb2 import Identifier
from portrait.tagging.v1 import segments_service_pb2 as segments
from portrait.tagging.v1 import tags_service_pb2 as pb
from portrait.tagging.v1 import tags_service_pb2_grpc as rpc
from portrait.tagging.v1.segments_service_pb2_grpc import SegmentsStub
from portrait.tagging.v1.tag_pb2 import TagValue

from libs.rpc.client import channel
from services.tagging.domain.kinds import read_definitions
from services.tagging.domain.names import Kind, kind_of
from tests.chaos.deciding import DECIDED_ABOUT, Asking, Minutes, Wanted
from tests.chaos.ledger import Place
from tests.chaos.load import Busy
from tests.chaos.plan import Plan
from tests.chaos.stage import TAGGINGS, Stage
from tests.chaos.town import people_of
from tests.support.documents import document, lifecycle, segment, tiers

CALL_SECONDS: Final = 2.5
PUBLISH_SECONDS: Final = 10.0  # what would change is computed first
LOOK_AT: Final = 3  # people, to compute that on
EDITED_WITHIN: Final = 1.5  # seconds after the others are published

_BOUGHT: Final = "{did: {event: order_completed, sum: {of: revenue}, within: %s}}"
_TIMES: Final = "{did: {event: order_completed, times: %d}}"
_ORDERED: Final = "{did: {event: order_completed, within: %s}}"
_SILENT: Final = "{did_not: {event: order_completed, within: %s}}"
_LADDER: Final = (
    "[{value: strong, when: {did: {event: order_completed, within: 3d}}},"
    " {value: curious, when: {did: {event: product_viewed, per: product_id, times: {at_least: %d}, within: 60d}}},"
    " {value: mild, when: {did: {event: [product_viewed, identified]}}}]"
)

# What speaks against it weighs as much as to keep people between its levels, so that it is told again and again.
_KEEN: Final = """score:
  half_life: %s
  half_at: 4
  evidence:
    - {did: product_viewed, weight: 1}
    - {did: order_completed, weight: -2}
  levels: {strong: 0.6, some: 0.3}
"""

# Each with what it may say: of some, every version asks history for what nobody kept, and of others none does.
DEFINITIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "vip": (document("vip", "", source="set_by_hand"),),
    "keen": tuple(
        document("keen", "{did: {event: product_viewed, times: 9, within: 60d}}") + _KEEN % half_life
        for half_life in ("4d", "40d")
    ),
    "frequent": tuple(
        document("frequent", f"{{did: {{event: product_viewed, times: {{at_least: {times}}}, within: {days}d}}}}")
        for times, days in ((3, 90), (4, 90), (3, 180))
    ),
    "hesitant": tuple(
        document("hesitant", f"{{sequence: {{first: product_viewed, then_not: order_completed, waited: 1h, {more}}}}}")
        for more in ("during: 1d", "during: 3d", "same: category, during: 2d")
    ),
    "spent": tuple(document("spent", _BOUGHT % days, "number", "statistic") for days in ("30d", "120d", "365d")),
    "intent": tuple(
        document("intent", "", "enum").replace("source: rule\n", f"source: rule\nladder: {_LADDER % times}\n")
        for times in (2, 3)
    ),
    "local": tuple(document("local", f"{{trait: {{city: {city}}}}}") for city in ("上海", "北京")),
    "worth_a_call": tuple(
        document("worth_a_call", when)
        for when in (
            "{all: [{tag: frequent}, {not: {tag: hesitant}}]}",
            "{any: [{tag: local}, {tag: {intent: strong}}, {tag: vip}]}",
        )
    ),
    "tier": tuple(tiers(gold=_TIMES % times, silver="{did: {event: order_completed}}") for times in (2, 3)),
    "stage": tuple(
        lifecycle(
            "prospect",
            ("prospect", "active", _ORDERED % days),
            ("active", "lost", _SILENT % days),
            ("lost", "active", _ORDERED % "2d"),
        )
        for days in ("5d", "20d")
    ),
    "segment:worth_keeping": tuple(
        segment("worth_keeping", when)
        for when in (
            "{all: [{tag: frequent}, {not: {tag: hesitant}}]}",
            "{any: [{stage: [lost]}, {tier: gold}, {score: {keen: {at_least: 0.5}}}]}",
        )
    ),
}
_REQUESTS: Final[Mapping[Kind, Any]] = {
    "tag": pb.PublishTagRequest,
    "segment": segments.PublishSegmentRequest,
    "tiers": pb.PublishTiersRequest,
    "lifecycle": pb.PublishLifecycleRequest,
}
_METHODS: Final[Mapping[Kind, str]] = {
    "tag": "PublishTag",
    "segment": "PublishSegment",
    "tiers": "PublishTiers",
    "lifecycle": "PublishLifecycle",
}
READ_BY_NONE: Final = "spent"
SET_BY_HAND: Final = ("vip", "vip", "frequent", "hesitant")


class Defined(msgspec.Struct, frozen=True, gc=False):
    """A definition that was said to be published, as this version."""

    name: str
    version: int
    document: str


class Told(msgspec.Struct, frozen=True, gc=False):
    """What was said by hand, and where it was said to stand."""

    request_id: str
    event_id: bytes
    place: Place


@dataclass
class TagMinutes(Minutes):
    """What was asked of tags since the beginning, and what was answered since the last look.

    `published` are the definitions that stand as far as the editor knows; none has to be published twice.
    """

    standing: dict[str, str] = field(default_factory=dict)
    defined: list[Defined] = field(default_factory=list)
    told: list[Told] = field(default_factory=list)

    def close(self) -> None:
        """See `Minutes.close`."""
        super().close()
        self.defined, self.told = [], []


@dataclass
class Editor:
    """Publishes what is not published, and then something else in place of one definition, or retires it."""

    asking: Asking
    minutes: TagMinutes
    _agenda: list[Wanted] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        standing, chance = self.minutes.standing, self.asking.chance
        for name, versions in DEFINITIONS.items():
            if name not in standing:
                self._agenda.append(self._publishing(chance.choice(versions)))
        name = chance.choice([name for name, versions in DEFINITIONS.items() if len(versions) > 1])
        if name == READ_BY_NONE and chance.random() < 0.5:
            retiring = pb.RetireTagRequest(tag=name, request_id=self.asking.request_id())
            self._agenda.append(Wanted("RetireTag", retiring))
        other = chance.choice([one for one in DEFINITIONS[name] if one != standing.get(name)])
        self._agenda.append(self._publishing(other))

    async def run(self) -> None:
        """Publish what there is to publish, and edit one; until cancelled."""
        while len(self._agenda) > 1:
            await self._next()
        await asyncio.sleep(self.asking.chance.uniform(0, EDITED_WITHIN))
        await self.finish()
        await asyncio.Event().wait()

    async def finish(self) -> None:
        """Ask for what is left."""
        while self._agenda:
            await self._next()

    def _publishing(self, text: str) -> Wanted:
        kind = kind_of(_name(text))
        request = _REQUESTS[kind](document=text, request_id=self.asking.request_id(), look_at=LOOK_AT)
        return Wanted(_METHODS[kind], request)

    async def _next(self) -> None:
        wanted = self._agenda[0]
        said = (await self.asking.answer(wanted, PUBLISH_SECONDS)).definition
        self._agenda.remove(wanted)
        if wanted.method == "RetireTag":
            self.minutes.standing.pop(said.key, None)
        else:
            name = _name(wanted.request.document)
            self.minutes.standing[name] = wanted.request.document
            self.minutes.defined.append(Defined(name, said.version, wanted.request.document))


@dataclass
class Clerk:
    """Says by hand, at one replica, what people have, and takes it back."""

    asking: Asking
    minutes: TagMinutes

    async def run(self) -> None:
        """Say something until cancelled."""
        while True:
            if {*SET_BY_HAND} <= self.minutes.standing.keys():
                await (self._clear() if self.asking.chance.random() < 0.25 else self.say())
            await self.asking.pause()

    async def say(self) -> Place:
        """Say one thing; where it stands in the log."""
        value = TagValue(flag=self.asking.chance.random() < 0.7)
        request = pb.SetTagRequest(**self._about(), value=value)
        return self._told(request, await self.asking.answer(Wanted("SetTag", request), CALL_SECONDS))

    async def _clear(self) -> None:
        request = pb.ClearTagRequest(**self._about())
        answer = await self.asking.answer(Wanted("ClearTag", request), CALL_SECONDS)
        if answer.HasField("position"):
            self._told(request, answer)

    def _about(self) -> dict[str, Any]:
        chance, id_ = self.asking.chance, self.asking.request_id()
        somebody = chance.choice(people_of(self.asking.seed)[:DECIDED_ABOUT])
        person = PersonReference(identifier=Identifier(type="user_id", value=somebody.account))
        return {"person": person, "tag": chance.choice(SET_BY_HAND), "reason": id_, "request_id": id_}

    def _told(self, request: Any, answer: Any) -> Place:
        place = answer.position.partition, answer.position.position
        self.minutes.told.append(Told(request.request_id, answer.event_id, place))
        return place


class _Methods:
    """The methods of both services of tagging, as if it were one."""

    def __init__(self, line: Any) -> None:
        self._stubs = rpc.TagsStub(line), SegmentsStub(line)

    def __getattr__(self, name: str) -> Any:
        return next(getattr(stub, name) for stub in self._stubs if hasattr(stub, name))


def _name(document_: str) -> str:
    """The name of what a document defines first."""
    return read_definitions(document_, 1)[0].name


@dataclass(frozen=True, slots=True)
class Office:
    """Everybody who has to do with tags; nobody where nobody serves them."""

    editors: list[Editor]
    clerks: list[Clerk]

    @property
    def busy(self) -> list[Busy]:
        return [*self.editors, *self.clerks]

    async def finish(self) -> dict[int, int]:
        """Let the editor end what is left and each replica take something; the places of that in the tags log."""
        for editor in self.editors:
            await editor.finish()
        return dict(sorted([await clerk.say() for clerk in self.clerks]))


@asynccontextmanager
async def office(stage: Stage, plan: Plan, minutes: TagMinutes) -> AsyncIterator[Office]:
    """Whoever works with tags in a round, idle yet: an editor, and a clerk for each replica."""
    targets = {name: stage.replicas[name].target for name in TAGGINGS if name in stage.replicas}
    if targets:
        targets["editor"] = stage.taggings
    opened = {name: channel(target) for name, target in targets.items()}
    try:
        asking = {
            name: Asking(name, _Methods(one), minutes, plan.seed, Random(f"{plan.seed} {name}"))
            for name, one in opened.items()
        }
        yield Office(
            [Editor(one, minutes) for name, one in asking.items() if name == "editor"],
            [Clerk(one, minutes) for name, one in asking.items() if name != "editor"],
        )
    finally:
        for one in opened.values():
            await one.close()
