"""The events of a person: of all places that are theirs, without what was taken back."""

from portrait.log.v1 import event_pb2 as log_pb

from libs.eventlog.event import Recorded
from libs.eventlog.retraction import retraction
from libs.people.identity_events import CutMade, Move, News
from libs.people.person import Name
from libs.people.placing import Placing
from libs.people.spans import AtTimes, own_id, since
from services.tagging.domain.names import DAY
from services.tagging.queries.histories import Histories
from tests.support.interactions import NOON
from tests.support.tagging_service import Tagged


async def events_of(tagged: Tagged, key: bytes) -> set[bytes]:
    histories = Histories(tagged.anchors, Placing(tagged.rulebook.at))
    (person,) = await tagged.map.people(tagged.tenant.id, [Name(key)])
    async with histories.of(tagged.tenant.id, person) as events:
        return {event.id for event in events}


async def test_all_that_is_theirs_is_read(tagged: Tagged) -> None:
    mine, other = await tagged.did("u1", "product_viewed"), await tagged.did("u2", "order_completed")
    assert await events_of(tagged, tagged.key("u1")) == {mine}
    await tagged.merge("u2", into="u1")
    assert await events_of(tagged, tagged.key("u2")) == {mine, other}


async def test_what_was_taken_back_is_not_read(tagged: Tagged) -> None:
    await tagged.did("u1", "product_viewed")
    stays = await tagged.did("u1", "product_viewed")
    anchor = tagged.key("u1")
    undone = retraction(tagged.tenant.id, anchor, [tagged.anchors.events[anchor][0].position], "a mistake", NOON)
    tagged.anchors.events[anchor].append(Recorded(9, NOON, log_pb.Event.FromString(undone.data)))
    assert await events_of(tagged, anchor) == {stays}


async def test_of_an_identifier_that_passed_on_each_has_their_time(tagged: Tagged) -> None:
    before, after = await tagged.did("u1", "product_viewed"), await tagged.did("u1", "product_viewed", NOON + 2 * DAY)
    anchor, begins = tagged.key("u1"), NOON + DAY
    person = own_id(anchor, since(begins))
    news = News([Move(anchor, since(begins), person, 1)], [CutMade(anchor, AtTimes((begins,)), 1)])
    async with tagged.pool.acquire() as connection, connection.transaction():
        await tagged.map.learn(connection, {tagged.tenant.id: news})
    assert await events_of(tagged, anchor) == {before}
    assert await events_of(tagged, person) == {after}
