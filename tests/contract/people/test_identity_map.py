"""The map of who is who, in memory and in PostgreSQL: what it was told last by version, in whichever order."""

import random
from collections.abc import Sequence
from typing import Protocol

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from libs.people.identity_events import CutMade, Move, News
from libs.people.identity_map import IdentityMap
from libs.people.person import Member, Name, Person
from libs.people.postgres_identity_map import PostgresIdentityMap
from libs.people.spans import WHOLE, AtTimes, ByIdentifier, BySession, beside, in_session, own_id, since
from tests.support.identity import key
from tests.support.logs import Database

PHONE, ANN, BOB, TABLET = key("p1"), key("u1"), key("u2"), key("d1")


class Map(Protocol):
    """A map of one tenant."""

    async def learn(self, *news: Move | CutMade) -> None: ...

    async def people(self, *names: Name) -> list[Person]: ...


class InMemory:
    def __init__(self) -> None:
        self.map = IdentityMap()

    async def learn(self, *news: Move | CutMade) -> None:
        self.map.learn(_news(news))

    async def people(self, *names: Name) -> list[Person]:
        return self.map.people(names)


class InPostgres:
    """Whatever another tenant is told must not be seen."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self.pool, self.map = pool, PostgresIdentityMap(pool)

    async def learn(self, *news: Move | CutMade) -> None:
        elsewhere = _news([one._replace(version=one.version + 100) for one in news])
        elsewhere.moves[:] = [move._replace(person=key("stranger")) for move in elsewhere.moves]
        async with self.pool.acquire() as connection, connection.transaction():
            await self.map.learn(connection, {"demo": _news(news), "other": elsewhere})

    async def people(self, *names: Name) -> list[Person]:
        return await self.map.people("demo", names)


def _news(said: Sequence[Move | CutMade]) -> News:
    return News([one for one in said if isinstance(one, Move)], [one for one in said if isinstance(one, CutMade)])


@pytest.fixture(params=["memory", "postgres"])
def known(request: pytest.FixtureRequest) -> Map:
    if request.param == "memory":
        return InMemory()
    database: Database = request.getfixturevalue("log_database")
    return InPostgres(database.pool)


async def test_whoever_was_never_linked_is_a_person_alone(known: Map) -> None:
    assert await known.people(Name(ANN), Name(PHONE, 5)) == [
        Person(ANN, (Member(ANN),)),
        Person(PHONE, (Member(PHONE),)),
    ]


async def test_every_id_and_identifier_of_a_person_finds_all_of_it(known: Map) -> None:
    await known.learn(Move(PHONE, WHOLE, ANN, 1), Move(TABLET, WHOLE, ANN, 1))
    found = await known.people(Name(ANN), Name(PHONE), Name(TABLET, 7), Name(BOB))
    ann = Person(ANN, tuple(map(Member, sorted([ANN, PHONE, TABLET]))))
    assert found == [ann, ann, ann, Person(BOB, (Member(BOB),))]


async def test_a_former_id_finds_who_it_is_now_and_is_itself_again_when_that_is_undone(known: Map) -> None:
    await known.learn(Move(PHONE, WHOLE, BOB, 1), Move(BOB, WHOLE, ANN, 1), Move(PHONE, WHOLE, ANN, 2))
    assert {person.id for person in await known.people(Name(BOB), Name(PHONE), Name(ANN))} == {ANN}
    await known.learn(Move(BOB, WHOLE, BOB, 2), Move(PHONE, WHOLE, BOB, 3))
    (bob, ann) = await known.people(Name(BOB), Name(ANN))
    assert bob == Person(BOB, tuple(map(Member, sorted([BOB, PHONE]))))
    assert ann == Person(ANN, (Member(ANN),))


async def test_a_late_older_move_resurrects_no_merge_that_was_undone(known: Map) -> None:
    await known.learn(Move(PHONE, WHOLE, PHONE, 2))
    await known.learn(Move(PHONE, WHOLE, ANN, 1))
    assert [person.id for person in await known.people(Name(PHONE))] == [PHONE]


async def test_a_phone_that_passed_on_means_whoever_has_it_and_as_an_id_whom_it_founded(known: Map) -> None:
    cut = AtTimes((100,))
    await known.learn(CutMade(PHONE, cut, 1), Move(PHONE, since(100), BOB, 1), Move(ANN, WHOLE, PHONE, 1))
    before, now, founded = await known.people(Name(PHONE, 99), Name(PHONE, 100), Name(PHONE))
    assert before == founded == Person(PHONE, tuple(sorted([Member(ANN), Member(PHONE, WHOLE, cut, 1)])))
    assert now == Person(BOB, tuple(sorted([Member(BOB), Member(PHONE, since(100), cut, 1)])))


async def test_a_span_that_nobody_has_yet_is_found_by_its_own_id(known: Map) -> None:
    cut, alone = AtTimes((100, 200)), own_id(PHONE, since(200))
    await known.learn(CutMade(PHONE, cut, 4))
    found = await known.people(Name(alone), Name(PHONE, 300), Name(PHONE, 150))
    assert [person.id for person in found] == [alone, alone, own_id(PHONE, since(100))]
    assert found[0].members == (Member(PHONE, since(200), cut, 4),)


async def test_the_id_of_a_part_that_is_no_more_finds_what_it_was_a_part_of(known: Map) -> None:
    alone = own_id(PHONE, since(200))
    await known.learn(CutMade(PHONE, AtTimes((100, 200)), 1), CutMade(PHONE, AtTimes((100,)), 2))
    assert [person.id for person in await known.people(Name(alone))] == [own_id(PHONE, since(100))]
    await known.learn(CutMade(PHONE, None, 3))
    assert [person.id for person in await known.people(Name(alone))] == [PHONE]
    await known.learn(CutMade(PHONE, AtTimes((100, 200)), 2))
    assert [person.id for person in await known.people(Name(alone), Name(PHONE, 300))] == [PHONE, PHONE]


async def test_sessions_of_a_shared_tablet_are_their_visitors(known: Map) -> None:
    cut, session = BySession(), in_session("s1")
    await known.learn(CutMade(TABLET, cut, 1), Move(TABLET, session, ANN, 1))
    ann, tablet, alone = await known.people(Name(ANN), Name(TABLET, 5), Name(own_id(TABLET, session)))
    assert ann == alone == Person(ANN, tuple(sorted([Member(ANN), Member(TABLET, session, cut, 1)])))
    assert tablet == Person(TABLET, (Member(TABLET, WHOLE, cut, 1),))


PLACES = [(one, span) for one in (PHONE, ANN, BOB, TABLET) for span in (WHOLE, since(100), since(200), in_session("s"))]
CUTS = [None, BySession(), ByIdentifier(), AtTimes((100,)), AtTimes((100, 200))]
PEOPLE = [*(own_id(*place) for place in PLACES), key("u9"), own_id(ANN, beside(BOB))]


@st.composite
def told(draw: st.DrawFn) -> list[Move | CutMade]:
    """What an identity log may say: of one place and version always the same."""
    moves = draw(st.dictionaries(st.tuples(st.sampled_from(PLACES), st.integers(1, 4)), st.sampled_from(PEOPLE)))
    cuts = draw(st.dictionaries(st.tuples(st.sampled_from([PHONE, TABLET]), st.integers(1, 4)), st.sampled_from(CUTS)))
    return [
        *(Move(*place, person, version) for (place, version), person in moves.items()),
        *(CutMade(identifier, cut, version) for (identifier, version), cut in cuts.items()),
    ]


async def _in_some_order(known: Map, said: Sequence[Move | CutMade], chance: random.Random) -> list[Person]:
    shuffled = chance.sample([*said, *said], 2 * len(said))
    while shuffled:
        batch = [shuffled.pop() for _ in range(min(len(shuffled), chance.randint(1, 5)))]
        await known.learn(*batch)
    return await known.people(*ASKED)


ASKED = [*map(Name, PEOPLE), *(Name(one, at) for one in (PHONE, TABLET) for at in (50, 150, 250))]


@settings(deadline=None, max_examples=150)
@given(told(), st.randoms(use_true_random=False))
async def test_in_any_order_and_repetition_news_give_the_same_people(
    said: list[Move | CutMade], chance: random.Random
) -> None:
    assert await _in_some_order(InMemory(), said, chance) == await _in_some_order(InMemory(), said, chance)


@settings(
    deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(told(), st.randoms(use_true_random=False))
async def test_both_maps_say_the_same_whatever_they_were_told(
    log_database: Database, said: list[Move | CutMade], chance: random.Random
) -> None:
    async with log_database.pool.acquire() as connection:
        await connection.execute("DELETE FROM identity_map")
        await connection.execute("DELETE FROM anchor_cuts")
    in_postgres = await _in_some_order(InPostgres(log_database.pool), said, chance)
    assert in_postgres == await _in_some_order(InMemory(), said, chance)


@settings(deadline=None, max_examples=150)
@given(told(), st.lists(st.sampled_from(ASKED), min_size=1, max_size=5))
async def test_a_place_is_one_persons_and_a_person_is_found_by_each_of_their_ids(
    said: list[Move | CutMade], names: list[Name]
) -> None:
    known = InMemory()
    await known.learn(*said)
    for person in await known.people(*names):
        for member in person.members:
            assert known.map.person_of(member.identifier, member.span) == person.id
