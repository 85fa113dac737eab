"""Whatever is collected, merged, cut, taken back and folded in between, a portrait is what the log makes of it."""

from collections.abc import Sequence
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from libs.people.identity_events import CutMade, Move
from libs.people.person import Name
from libs.people.spans import WHOLE, AtTimes, ByIdentifier, BySession, Cut, in_session, own_id, since
from services.profile.domain.snapshot import fingerprint
from services.profile.queries.moments import Moment
from tests.support.logs import NOON, Database
from tests.support.people import TENANT, Population

ANN, BOB, PHONE, KIOSK = range(4)
CUTS: list[Cut | None] = [None, BySession(), ByIdentifier(), AtTimes((NOON + 3,)), AtTimes((NOON + 3, NOON + 6))]
SPANS = [WHOLE, since(NOON + 3), since(NOON + 6), in_session("s0"), in_session("s1")]

anchors = st.sampled_from([ANN, BOB, PHONE, PHONE, KIOSK, KIOSK, KIOSK])
collected = st.tuples(
    st.just("collect"), anchors, st.integers(0, 9), st.sampled_from(["", "s0", "s0", "s1"]), st.booleans()
)
moved = st.tuples(st.just("move"), anchors, st.sampled_from([WHOLE, *SPANS]), anchors, st.sampled_from([WHOLE, *SPANS]))
cut = st.tuples(st.just("cut"), st.sampled_from([PHONE, KIOSK]), st.sampled_from(CUTS))
taken_back = st.tuples(st.sampled_from(["retract", "blank"]), anchors, st.integers(0, 9))
folded = st.tuples(st.sampled_from(["compact", "keep", "keep", "look"]), anchors)
often = st.one_of(collected, collected, folded)
steps = st.one_of(often, often, often, moved, cut, taken_back)

KNOWN: list[tuple[Any, ...]] = [
    ("cut", KIOSK, BySession()),
    ("move", KIOSK, in_session("s0"), ANN, WHOLE),
    ("move", KIOSK, in_session("s1"), BOB, WHOLE),
    ("cut", PHONE, AtTimes((NOON + 3,))),
    ("move", PHONE, since(NOON + 3), BOB, WHOLE),
]

VISIT = ("collect", KIOSK, 1, "s0", False)
TEXT = ("collect", PHONE, 5, "", False)
KEEP = [("keep", KIOSK), ("keep", PHONE), ("look", KIOSK)]


class Story:
    """Plays steps, and looks at everybody."""

    def __init__(self, population: Population) -> None:
        self.population = population
        self.keys = [
            population.key("user_id", "ann"),
            population.key("user_id", "bob"),
            population.key("phone", "+8613800138001"),
            population.key("device_id", "kiosk-1"),
        ]
        self.places: list[list[int]] = [[], [], [], []]
        self.version = 0

    @property
    def everybody(self) -> list[Name]:
        return [
            *(Name(own_id(key, span)) for key in self.keys for span in SPANS),
            *(Name(key, NOON + at) for key in self.keys[PHONE:] for at in (0, 4, 9)),
        ]

    async def play(self, step: tuple[Any, ...]) -> None:
        match step:
            case "collect", anchor, at, session, beside:
                identifiers = [{"type": "user_id", "value": "ann"}, {"type": "device_id", "value": "kiosk-1"}]
                said = {"context": {"session_id": session}, "identifiers": identifiers if beside else []}
                place = await self.population.collect(self.keys[anchor], NOON + at, **said)
                self.places[anchor].append(place.position)
            case "move", anchor, span, to, its:
                self.version += 1
                key = self.keys[anchor]
                await self.population.learn(Move(key, span, own_id(self.keys[to], its), self.version))
            case "cut", anchor, how:
                self.version += 1
                await self.population.learn(CutMade(self.keys[anchor], how, self.version))
            case ("retract" | "blank") as how, anchor, which if which < len(self.places[anchor]):
                key, position = self.keys[anchor], self.places[anchor][which]
                if how == "retract":
                    await self.population.retract(key, position)
                else:
                    await self.population.blanking.blank(TENANT, key, [position], "asked to")
            case "compact", anchor:
                await self.population.compact(self.keys[anchor])
            case "keep", anchor:
                assert await self.population.keeper.fold(TENANT, self.keys[anchor])
            case "look", _:
                await self.look()

    async def look(self, *moments: Moment) -> None:
        for moment in moments or (Moment(),):
            seen = await self.population.seen(*self.everybody, moment=moment)
            expected = await self.population.expected(*self.everybody, moment=moment)
            assert [fingerprint(one.state) for one in seen] == list(map(fingerprint, expected))
        assert [one.person for one in seen] == [one.id for one in self.population.map.people(self.everybody)]


@settings(deadline=None, max_examples=40, suppress_health_check=list(HealthCheck))
@given(st.lists(steps, min_size=10, max_size=50))
@example([VISIT, TEXT, *KEEP, VISIT, TEXT, *KEEP, VISIT, TEXT])
@example([VISIT, TEXT, *KEEP, ("cut", KIOSK, ByIdentifier()), ("cut", PHONE, AtTimes((NOON + 6,))), VISIT, TEXT])
@example([VISIT, VISIT, TEXT, *KEEP, ("retract", KIOSK, 0), ("look", KIOSK), ("retract", PHONE, 0), *KEEP])
@example([VISIT, VISIT, TEXT, *KEEP, ("blank", KIOSK, 0), ("look", KIOSK), ("blank", PHONE, 0), VISIT, TEXT])
async def test_a_portrait_is_what_the_log_makes_of_it_whatever_happened(
    log_database: Database, played: Sequence[tuple[Any, ...]]
) -> None:
    story = await begun(log_database)
    for step in [*KNOWN, *played]:
        await story.play(step)
    await story.look(Moment(), Moment(as_of=NOON + 4), Moment(known_at=story.population.clock.now() - 5))


@settings(deadline=None, max_examples=20, suppress_health_check=list(HealthCheck))
@given(st.lists(st.one_of(collected, folded), max_size=15), st.lists(st.one_of(moved, cut, folded), max_size=10))
async def test_what_was_merged_and_cut_and_is_undone_leaves_no_trace_in_any_portrait(
    log_database: Database, before: Sequence[tuple[Any, ...]], during: Sequence[tuple[Any, ...]]
) -> None:
    story = await begun(log_database)
    for step in before:
        await story.play(step)
    names = [Name(key) for key in story.keys]
    alone = [fingerprint(one.state) for one in await story.population.seen(*names)]
    for step in [*KNOWN, *during]:
        await story.play(step)
    for key in story.keys:
        story.version += 1
        await story.population.learn(CutMade(key, None, story.version))
        await story.population.learn(*(Move(key, span, own_id(key, span), story.version) for span in SPANS))
    assert [fingerprint(one.state) for one in await story.population.seen(*names)] == alone
    await story.look()


async def begun(database: Database) -> Story:
    """An empty database: emptying it for each example would take longer than the example."""
    async with database.pool.acquire() as connection:
        for table in ("identity_map", "anchor_cuts", "cut_anchors", "portraits", "message_ids", "log_blanks"):
            await connection.execute(f"DELETE FROM {table}")
        await connection.execute("UPDATE log_heads SET position = 0, recorded_at = 0")
        for row in await connection.fetch("DELETE FROM log_ranges RETURNING name"):
            await connection.execute(f"DROP TABLE {row['name']}")
    return Story(await Population.in_(database.pool))
