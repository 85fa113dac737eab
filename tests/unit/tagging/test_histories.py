"""Long histories are read with turns for others, few of them held at once; what is read of them is the same."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import msgspec
import pytest
from portrait.log.v1 import event_pb2 as log_pb

from libs.conditions.features import fingerprint
from libs.conditions.plan import Plan
from libs.conditions.yaml_form import read_condition
from libs.eventlog.event import Envelope, Recorded
from libs.eventlog.retraction import retraction
from libs.people.anchor import Anchoring
from libs.people.person import Member, Person, alone
from libs.people.placing import Placing
from libs.people.said import INTERACTION_RECORDED
from libs.people.spans import AtTimes, since
from libs.runtime.clock import SECOND, Micros
from libs.runtime.errors import FailedPrecondition
from services.tagging.queries.histories import AT_ONCE, Histories
from tests.support.interactions import tracked

PLAN = Plan({"it": read_condition("did: {event: bought, times: {at_least: 2}, within: 30d}")}, "UTC")
PERSON = alone(b"p" * 16)


async def at(tenant: str, version: int) -> Anchoring:
    raise AssertionError("what is cut by time asks for no rules")


@dataclass
class Paged:
    """A log of interactions, two a page; `events` are how many were read."""

    anchors: dict[bytes, list[Recorded]]
    events: int = field(default=0, init=False)

    async def read_key(self, tenant: str, key: bytes) -> AsyncIterator[list[Recorded]]:
        log = self.anchors.get(key, [])
        for begin in range(0, len(log), 2):
            page = log[begin : begin + 2]
            self.events += len(page)
            yield page


def bought(count: int, anchor: bytes = PERSON.id) -> list[Recorded]:
    """So many purchases, a second after another, at positions from 1 on."""
    seal = Envelope("demo", INTERACTION_RECORDED).seal()
    document = msgspec.json.encode(tracked("bought"))
    events = (seal.event(number.to_bytes(16), anchor, number * SECOND, document) for number in range(1, count + 1))
    return [Recorded(place, 0, log_pb.Event.FromString(one.data)) for place, one in enumerate(events, 1)]


def taken_back(log: list[Recorded], *positions: int) -> list[Recorded]:
    undone = retraction("demo", PERSON.id, list(positions), "a mistake", 0)
    return [*log, Recorded(len(log) + 1, 0, log_pb.Event.FromString(undone.data))]


def histories(log: list[Recorded], few: int, most: int = 1_000) -> Histories:
    return Histories(Paged({PERSON.id: log}), Placing(at), few, most)


async def ids(those: Histories, person: Person = PERSON) -> list[int]:
    async with those.of("demo", person) as events:
        return [int.from_bytes(event.id) for event in events]


async def kept(those: Histories, until: Micros | None = None) -> bytes:
    features = await those.folded("demo", PERSON, PLAN, until)
    assert features
    return fingerprint(features)


@pytest.mark.parametrize("few", [0, 3, 100])
async def test_a_long_history_is_read_as_a_short_one(few: int) -> None:
    those = histories(taken_back(bought(10), 1, 6), few)
    assert await ids(those) == [2, 3, 4, 5, 7, 8, 9, 10]
    short = histories([one for one in bought(10) if one.position not in {1, 6}], 100)
    for until in (None, 5 * SECOND):
        assert await kept(those, until) == await kept(short, until)
    assert await those.folded("demo", PERSON, PLAN, 1 * SECOND) is None, "the first was taken back"


@pytest.mark.parametrize("few", [0, 100])
async def test_of_what_is_cut_only_the_part_of_the_person_is_read(few: int) -> None:
    begins = 8 * SECOND
    part = Person(b"q" * 16, (Member(PERSON.id, since(begins), AtTimes((begins,)), 1),))
    assert await ids(histories(taken_back(bought(10), 9), few), part) == [8, 10]


async def test_more_than_may_be_held_is_refused_and_read_no_further() -> None:
    those = histories(bought(100), few=4, most=10)
    with pytest.raises(FailedPrecondition) as refused:
        await ids(those)
    assert refused.value.reason == "TOO_MUCH_HISTORY"
    assert isinstance(those.anchors, Paged)
    assert those.anchors.events <= (4 + 2) + (10 + 2)


async def test_who_has_more_than_may_be_held_is_folded_all_the_same() -> None:
    assert await kept(histories(bought(100), few=4, most=10)) == await kept(histories(bought(100), few=1_000))


@pytest.mark.parametrize(("count", "most"), [(20, 1), (4, AT_ONCE)])
async def test_of_long_histories_one_is_held_at_a_time_and_of_short_ones_several(count: int, most: int) -> None:
    those, held, seen = histories(bought(count), few=10), 0, 0

    async def hold() -> None:
        nonlocal held, seen
        async with those.of("demo", PERSON):
            held += 1
            seen = max(seen, held)
            await asyncio.sleep(0.01)
            held -= 1

    await asyncio.gather(*(hold() for _ in range(3 * AT_ONCE)))
    assert seen == most


@pytest.mark.parametrize("few", [0, 1_000])
async def test_others_have_their_turn_after_each_page(few: int) -> None:
    those, turns, done = histories(bought(200), few), 0, False

    async def count() -> None:
        nonlocal turns
        while not done:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count())
    await ids(those)
    read, turns = turns, 0
    await those.folded("demo", PERSON, PLAN)
    done = True
    await counting
    assert min(read, turns) >= 100
