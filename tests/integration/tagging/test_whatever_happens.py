"""Random histories, moves, cuts, retractions, erasures, clocks, publications and kills, on real tables."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from random import Random
from typing import Any, Final

import pytest

from libs.conditions.tree import Condition, Not, Segment, Tag, Tier
from libs.conditions.yaml_form import read_condition
from libs.eventlog.checkpoint import Fenced
from libs.eventlog.verdict import Park, verdict_on
from libs.people.identity_events import CutMade, Move
from libs.people.spans import WHOLE, AtTimes, BySession, in_session, own_id, since
from libs.runtime.clock import SECOND, Micros
from services.tagging.backfill import Behind
from services.tagging.domain.names import reference_of
from services.tagging.membership.terms import term_of
from services.tagging.tallying import Tallying
from tests.support.documents import document, lifecycle, segment, tiers
from tests.support.golden_tags import Values
from tests.support.tagging import TENANT, TagWorld, keys

HOUR: Final[Micros] = 3600 * SECOND
DAY: Final = 24 * HOUR
START: Final[Micros] = 1_772_000_000 * SECOND

TAGS: Final = {
    "often": "{did: {event: viewed, times: {at_least: 2}, within: 3d}}",
    "lately": "{did: {event: bought, within: 5h}}",
    "silent": "{did_not: {event: bought, within: 2d}}",
    "abandoned": "{sequence: {first: carted, then_not: bought, within: 24h, same: sku}}",
    "spender": "{did: {event: bought, sum: {of: price, at_least: 5}, within: 7d}}",
    "local": "{all: [{trait: {city: 上海}}, {tag: often}]}",
    "lost": "{all: [{tag: silent}, {not: {tag: local}}]}",
    "newcomer": "{did: {event: [viewed, bought, carted], first: {within: 2d}}}",
    "treated": "{tier: [gold, silver]}",
    "warm": "{score: {keen: {at_least: 0.3, less_than: 0.6}}}",
    "rich": "{score: {paid: {more_than: 0.5}}}",
}
KEEN: Final = (
    document("keen", "{did: {event: viewed, times: 9}}")
    + """score:
  half_life: 2d
  evidence: [{did: viewed, weight: 1}, {did: {event: bought, where: {sku: x}}, weight: -0.7}]
  needed: 2
  levels: {some: 0.4, strong: 0.8}
"""
)
PAID: Final = document("paid", "{did: {event: bought, sum: {of: price}, within: 3d}}", "number", "statistic")
DOCUMENTS: Final = {
    "keen": KEEN,
    "paid": PAID + "score: {rank: {parts: 3, cut: daily}, levels: {top: 1}}\n",
    **{tag: document(tag, when) for tag, when in TAGS.items()},
    "spent": document("spent", "{did: {event: bought, sum: {of: price}, within: 30d}}", "number", "statistic"),
    "segment:guests": segment("guests"),
    "segment:regulars": segment("regulars", "{any: [{tag: treated}, {segment: guests}]}"),
    "segment:strangers": segment("strangers", "{all: [{segment: everyone}, {not: {segment: regulars}}]}"),
    "tier": tiers(gold="{tag: often}", silver="{did: {event: bought, within: 2d}}"),
    "stage": lifecycle(
        "new",
        ("new", "active", "{did: {event: viewed, times: 2, within: 3d}}"),
        ("active", "quiet", "{did_not: {event: [viewed, bought], within: 2d}}"),
        ("quiet", "back", "{did: {event: bought, within: 1d}}"),
        ("back", "active", "{did: {event: viewed, within: 1d}}"),
    ),
    "segment:awake": segment("awake", "{stage: [active, back]}"),
}
NEEDS: Final = {
    "warm": ["keen"],
    "rich": ["paid"],
    "local": ["often"],
    "lost": ["silent", "local"],
    "tier": ["often"],
    "treated": ["tier"],
    "segment:awake": ["stage"],
    "segment:regulars": ["treated", "segment:guests"],
    "segment:strangers": ["segment:regulars"],
}


ASKED: Final[Mapping[str, Condition]] = {
    "often": Tag("often"),
    "spent": Tag("spent"),
    "segment:strangers": Segment("strangers"),
    "tier": Tier(("gold", "silver")),
}


KEPT: Final = [
    read_condition(one)
    for one in [
        "{did: {event: viewed, times: {at_least: 1, at_most: 3}, within: 2d}}",
        "{all: [{did: {event: bought, sum: {of: price, at_least: 3}, within: 30d}}, {not: {tag: silent}}]}",
        "{any: [{trait: {city: 北京}}, {stage: [new, quiet]}, {tag: {spent: {more_than: 4}}}]}",
        "{not: {all: [{did: {event: [viewed, bought, carted], first: {within: 5d}}}, {segment: guests}]}}",
        "{any: [{did: {event: bought, within: 3h}}, {tier: gold}]}",
    ]
]
"""Asked of what is kept, if it is: exactly, at any moment."""


class History:
    """Something that happens, one thing after another, by a seed."""

    def __init__(self, tagged: TagWorld, seed: int) -> None:
        self.tagged, self.chance = tagged, Random(seed)
        self.anchors = list(keys("a", "b", "c", "d", "e"))
        self.at = START
        self.positions: dict[bytes, list[int]] = {}
        self.versions = 0
        self.cuts: dict[bytes, Any] = {}
        self.published: dict[str, int] = {}
        tagged.now = START

    def version(self) -> int:
        self.versions += 1
        return self.versions

    def happen(self) -> None:
        anchor, chance = self.chance.choice(self.anchors), self.chance
        at = self.at - chance.choice([0, 0, 0, HOUR, DAY])
        name = chance.choice(["viewed", "bought", "carted"])
        said: dict[str, Any] = {"properties": {"sku": chance.choice("xy"), "price": chance.choice([1, 2.5, 4])}}
        if chance.random() < 0.3:
            said["traits"] = {"city": chance.choice(["上海", "北京"])}
        position = self.tagged.collect(anchor, name, at, chance.choice(["", "s1", "s2"]), **said)
        self.positions.setdefault(anchor, []).append(position)

    def move(self) -> None:
        """An identifier, or a part of one, becomes another's, or its own again."""
        anchor, version = self.chance.choice(self.anchors), self.version()
        cut = self.cuts.get(anchor)
        span = WHOLE
        if isinstance(cut, BySession):
            span = in_session(self.chance.choice(["", "s1", "s2"]))
        elif isinstance(cut, AtTimes):
            span = self.chance.choice([WHOLE, since(cut.times[0])])
        # People are founded by whoever stands first, as identity has it: none is a part of somebody who is another's.
        first = self.anchors.index(anchor)
        other = self.chance.choice(self.anchors[: max(1, first)])
        if other in self.cuts or (anchor == self.anchors[0] and span == WHOLE):
            return
        if self.tagged.map.person_of(other) != other:
            return
        own = self.chance.random() < 0.4
        if not own and span == WHOLE and len(self.tagged.map.members(anchor)) > 1:
            return
        person = own_id(anchor, span) if own else other
        self.tagged.says(Move(anchor, span, person, version))

    def cut(self) -> None:
        anchor, version = self.chance.choice(self.anchors[1:]), self.version()
        if len(self.tagged.map.members(anchor)) > 1:
            return
        made = self.chance.choice([None, BySession(), AtTimes((START + 2 * DAY,))])
        self.cuts[anchor] = made
        self.tagged.says(CutMade(anchor, made, version))
        if made is None:
            self.cuts.pop(anchor)

    def retract(self) -> None:
        if self.positions:
            anchor = self.chance.choice(sorted(self.positions))
            self.tagged.retract(anchor, self.chance.choice(self.positions[anchor]))

    def erase(self) -> None:
        if self.positions:
            anchor = self.chance.choice(sorted(self.positions))
            self.tagged.erase(anchor, self.chance.choice(self.positions[anchor]))

    async def publish(self) -> None:
        name = self.chance.choice(sorted(DOCUMENTS))
        while missing := [one for one in NEEDS.get(name, ()) if one not in self.published]:
            name = missing[0]
        version = self.published[name] = self.published.get(name, 0) + 1
        await self.tagged.publish(DOCUMENTS[name], version)

    async def retire(self) -> None:
        tag = self.chance.choice(["abandoned", "spender", "newcomer", "spent", "segment:strangers"])
        if tag in self.published:
            await self.tagged.retire(tag)

    async def say(self) -> None:
        person = self.tagged.map.current(self.chance.choice(self.anchors))
        tag = self.chance.choice(["often", "spender", "segment:guests"])
        expires_at = self.chance.choice([None, self.at + DAY])
        await self.tagged.say(person, tag, self.chance.choice([True, False]), self.at, expires_at)

    def time(self) -> None:
        self.at += self.chance.choice([HOUR, 5 * HOUR, DAY, 3 * DAY])

    def catch_up(self) -> None:
        """Time goes on for the tagging service; that it read everything up to it first is what `Moments` is for."""
        self.tagged.now = self.at

    async def tally(self, replicas: Sequence[Tallying]) -> int:
        """Ask some replicas how many people meet what is kept; how many of the answers they had."""
        answered = 0
        for one in replicas:
            if self.chance.random() < 0.7:
                await one.turn()
            answered += sum([await self.tagged.tallied(one, condition) for condition in KEPT])
        return answered

    async def go_on(self) -> None:
        """Anything of all that."""
        things = {
            self.happen: 40,
            self.move: 8,
            self.cut: 4,
            self.retract: 4,
            self.erase: 3,
            self.publish: 6,
            self.retire: 2,
            self.say: 4,
            self.time: 12,
        }
        (thing,) = self.chance.choices(list(things), list(things.values()))
        done = thing()
        if done is not None:
            await done

    async def work(self) -> None:
        """The tagging service does something, and may be killed over it."""
        tagged, chance = self.tagged, self.chance
        kinds = [
            lambda: tagged.fold(chance.randint(1, 9)),
            lambda: tagged.learn(chance.randint(1, 3)),
            tagged.refolding.turn,
            tagged.answer,
            tagged.fill,
            tagged.gather,
            tagged.cut,
        ]
        work = quietly(chance.choice(kinds)())
        await (tagged.killed(work, chance) if chance.random() < 0.3 else work)


@pytest.mark.parametrize("seed", range(12))
async def test_what_people_hold_is_what_all_that_happened_says(tag_world: TagWorld, seed: int) -> None:
    history, beside = History(tag_world, seed), tag_world.replica_of_columns()
    for _ in range(120):
        await history.go_on()
        if history.chance.random() < 0.5:
            await history.work()
        if history.chance.random() < 0.1:
            history.catch_up()
        if history.chance.random() < 0.15:
            await history.tally([tag_world.tallying, beside])
    history.catch_up()
    await tag_world.settle()
    await history.tally([tag_world.tallying, beside])
    held = await tag_world.held()
    assert held == await tag_world.expected()
    assert held == await tag_world.told()
    assert await tag_world.members() == gathered(held)
    for reference, condition in ASKED.items():
        holders = {person for person, mine in held.items() if reference in mine}
        assert await tag_world.crowd(condition) == holders
        assert await tag_world.crowd(Not(condition)) == held.keys() - holders


@pytest.mark.parametrize("seed", range(1000, 1004))
async def test_replicas_that_do_everything_at_once_come_to_the_same(tag_world: TagWorld, seed: int) -> None:
    history = History(tag_world, seed)
    replicas = [replace(tag_world) for _ in "ab"]
    pending = [
        asyncio.create_task(again_and_again(work))
        for one in replicas
        for work in (
            one.fold,
            one.learn,
            one.refolding.turn,
            one.answer,
            one.fill,
            one.gather,
            one.cut,
            partial(ask, one.tallying),
        )
    ]
    for _ in range(250):
        await history.go_on()
        if history.chance.random() < 0.1:
            history.catch_up()
        for one in replicas:
            one.now = tag_world.now
        await asyncio.sleep(0.002)
    for task in pending:
        task.cancel()
    ended = await asyncio.gather(*pending, return_exceptions=True)
    assert [one for one in ended if not isinstance(one, asyncio.CancelledError)] == []
    history.catch_up()
    await tag_world.settle()
    held = await tag_world.held()
    assert held == await tag_world.expected()
    assert held == await tag_world.told()
    for one in (tag_world, *replicas):
        assert await one.members() == gathered(held)
        one.now = tag_world.now
        for condition in KEPT:
            await one.tallied(one.tallying, condition)


def gathered(held: Values) -> dict[str, set[bytes]]:
    """Who must be in which bitmap."""
    found: dict[str, set[bytes]] = {}
    for person, those in held.items():
        for name, (value, _) in those.items():
            found.setdefault(term_of(reference_of(name)), set()).add(person)
            if isinstance(value, str):
                found.setdefault(term_of(reference_of(name), value), set()).add(person)
    return found


async def again_and_again(work: Callable[[], Awaitable[Any]]) -> None:
    """As the loops of a service do: who was overtaken, or waited for another in a circle, looks again."""
    while True:
        try:
            await work()
        except Exception as error:
            if not isinstance(error, Fenced | Behind) and isinstance(verdict_on(error), Park):
                raise
        await asyncio.sleep(0.001)


async def ask(tallying: Tallying) -> None:
    """Keep columns in step, while everything changes."""
    await tallying.courses.catalogues.refresh()
    for condition in KEPT:
        await tallying.count(TENANT, condition)
    await tallying.turn()


async def quietly(work: Any) -> None:
    """Work that may have to come again."""
    with suppress(Behind):
        await work
