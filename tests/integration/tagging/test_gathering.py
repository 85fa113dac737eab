from collections.abc import Mapping
from random import Random

import pytest

from libs.conditions.tree import All, Condition, Not, Tag
from libs.eventlog.event import Envelope, NewEvent
from libs.runtime.clock import SystemClock
from libs.telemetry.metrics import Metrics
from services.tagging.codec.changes import told
from services.tagging.domain.holding import Change, Held
from services.tagging.gathering import Gathering
from services.tagging.queries.crowds import EVERYBODY, Crowds
from tests.support.crowds import Book
from tests.support.elsewhere import PARTITIONS
from tests.support.tagging import TENANT, TagWorld

TAGS = {"tag:vip": (True,), "tag:city": ("上海", "北京"), "tag:spent": (3, 4.5)}


class Town:
    """People who are told of at random, in the log of tags."""

    def __init__(self, tagged: TagWorld, seed: int) -> None:
        self.tagged, self.book, self.revision = tagged, Book(Random(seed), references=TAGS), 0

    async def go_on(self, changes: int) -> None:
        events: list[NewEvent] = []
        for _ in range(changes):
            for one in self.book.tell(40):
                tag = one.reference.removeprefix("tag:")
                self.revision += 1
                id_ = self.revision.to_bytes(16, "big")
                now = None if one.now is None else Held(one.now, "", 1, id_, 1, "rule", 1.0)
                former = None if one.former is None else Held(one.former, "", 1, id_, 1, "rule", 1.0)
                change = Change(tag, now, former, "condition", 1, False, id_, b"")
                events += told(TENANT, spread(one.person), self.revision, [change], SystemClock().now())
        await self.tagged.log.append(events)

    def expected(self) -> dict[str, set[bytes]]:
        found: dict[str, set[bytes]] = {}
        for who, mine in self.book.held.items():
            for reference, value in mine.items():
                found.setdefault(reference, set()).add(spread(who))
                if isinstance(value, str):
                    found.setdefault(f"{reference}={value}", set()).add(spread(who))
        return found


def spread(person: bytes) -> bytes:
    """Somebody whose partition is as good as random."""
    return person[::-1]


async def test_what_is_emptied_is_made_anew_the_same_even_under_a_replica_that_runs(tag_world: TagWorld) -> None:
    town = Town(tag_world, 1)
    await town.go_on(60)
    await tag_world.gather()
    await town.go_on(20)
    await tag_world.gather()
    before = await tag_world.members()
    tables = ("positions", "numbers", "bitmaps", "columns")
    await tag_world.pool.execute(f"TRUNCATE {', '.join(f'membership_{one}' for one in tables)}")
    anew = Gathering(tag_world.pool, tag_world.log, Metrics(), range(PARTITIONS))
    await anew.reach_heads()
    assert bitmaps(anew) == bitmaps(tag_world.gathering)
    await town.go_on(20)
    await tag_world.gather()
    assert await tag_world.members() == town.expected() != before
    assert bitmaps(Gathering(tag_world.pool, tag_world.log, Metrics(), ())) == {}


async def test_numbers_leave_memory_once_another_replica_has_stored_them(tag_world: TagWorld) -> None:
    town, reading = Town(tag_world, 2), Gathering(tag_world.pool, tag_world.log, Metrics(), ())
    await town.go_on(60)
    await reading.reach_heads()
    assert any(index.fresh for index in reading.indexes(TENANT).values())
    await tag_world.gather()
    await town.go_on(60)
    await reading.look()
    assert not any(index.fresh or index.changed for index in reading.indexes(TENANT).values())
    await reading.reach_heads()
    await tag_world.gathering.reach_heads()
    assert bitmaps(reading) == bitmaps(tag_world.gathering)


async def test_another_log_s_events_and_what_nobody_knows_change_nothing(tag_world: TagWorld) -> None:
    seal = Envelope(TENANT, "of_a_newer_release").seal()
    await tag_world.log.append([seal.event(bytes(16), bytes(16), 1, b"\xff\xff")])
    await tag_world.gather()
    assert await tag_world.members() == {}
    assert sum(tag_world.gathering.positions().values()) == 1


VIP, CITY = Tag("vip"), Tag("city")


@pytest.mark.parametrize("condition", [VIP, Not(VIP), All((CITY, Not(VIP))), EVERYBODY])
async def test_pages_and_samples_name_the_people_who_are_counted(tag_world: TagWorld, condition: Condition) -> None:
    town, crowds = Town(tag_world, 3), Crowds(tag_world.gathering, tag_world.tenants)
    await town.go_on(30)
    await tag_world.gather()
    await town.go_on(30)  # so that the names of some are in the tables and those of others are not
    held = {spread(who): mine for who, mine in town.book.held.items() if mine}
    expected = {who for who, mine in held.items() if meets(condition, mine)}
    looked = await crowds.look(TENANT, [condition])
    assert looked is not None
    assert (looked.crowds[0].size, looked.population) == (len(expected), len(held))
    found, behind = list[bytes](), None
    while True:
        page = await crowds.members(TENANT, condition, behind, 4)
        assert page is not None
        if not page[0]:
            break
        found += [member.person for member in page[0]]
        behind = page[0][-1].place
    assert (len(found), set(found)) == (len(expected), expected)
    drawn = await crowds.sample(TENANT, condition, 5, seed=7)
    assert drawn is not None
    assert {member.person for member in drawn[0]} <= expected


async def test_a_crowd_spreads_over_the_values_of_a_tag(tag_world: TagWorld) -> None:
    town, crowds = Town(tag_world, 4), Crowds(tag_world.gathering, tag_world.tenants)
    await town.go_on(80)
    found = await crowds.spread(TENANT, ["tag:city", "tag:spent", "tag:vip"], [VIP, EVERYBODY])
    assert found is not None
    vips = [mine for mine in town.book.held.values() if "tag:vip" in mine]
    cities = [mine["tag:city"] for mine in vips if "tag:city" in mine]
    assert found[0]["tag:city"][0].by_value == {one: cities.count(one) for one in set(cities)}
    assert found[0]["tag:spent"][0] == (sum("tag:spent" in mine for mine in vips), None)
    assert found[0]["tag:vip"] == [(len(vips), {}), (len(vips), {})]


async def test_how_many_hold_anything_is_counted_whatever_the_value(tag_world: TagWorld) -> None:
    town, crowds = Town(tag_world, 5), Crowds(tag_world.gathering, tag_world.tenants)
    await town.go_on(80)
    for reference in TAGS:
        expected = sum(reference in mine for mine in town.book.held.values())
        assert await crowds.holding(TENANT, reference.removeprefix("tag:")) == expected > 0
    assert await crowds.holding(TENANT, "segment:nobody") == 0


def meets(condition: Condition, mine: Mapping[str, object]) -> bool:
    match condition:
        case All(parts):
            return all(meets(one, mine) for one in parts)
        case Not(part):
            return not meets(part, mine)
        case Tag(key):
            return f"tag:{key}" in mine
        case _:
            raise AssertionError(condition)


def bitmaps(gathering: Gathering) -> dict[tuple[int, str], object]:
    return {
        (partition, term): bitmap
        for partition, index in gathering.indexes(TENANT).items()
        for term, bitmap in index.bitmaps()
    }
