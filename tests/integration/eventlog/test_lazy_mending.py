"""Mending what a lazy projection could not fold: folding the key again, or retracting the event."""

import pytest

from libs.eventlog.dead_letters import Kind, PostgresDeadLetters
from libs.eventlog.mending import Dropping, LazyMender
from libs.eventlog.projection import RETRACTED, LazyProjection
from libs.eventlog.snapshots import KeyOfTenant
from libs.runtime.errors import FailedPrecondition, InvalidArgument, NotFound
from tests.support.logs import Database, added, key_of, partition_mates
from tests.support.tally import MENDED, POISON, TALLY, Tally

PARTITION = 1
ANN, BOB = partition_mates(2, partition=PARTITION)


def key(name: object, tenant: str = "demo") -> KeyOfTenant:
    return tenant, key_of(name)


def mender_in(database: Database, projection: LazyProjection[Tally] = TALLY) -> LazyMender[Tally]:
    store = database.store
    letters = PostgresDeadLetters(database.pool, projection.name, store.log.name, store.clock)
    return LazyMender(database.log(store.clock), database.pool, letters, store.compactor(projection), store.clock)


@pytest.fixture
async def poisoned(log_database: Database) -> Database:
    """Ann's second and fourth events are poison, at positions 2 and 5; the second keeps her parked."""
    store = log_database.store
    await store.log.append([added(ANN, 1), added(ANN, POISON), added(BOB), added(ANN, 3), added(ANN, POISON)])
    compactor = store.compactor()
    compactor.request([key(ANN), key(BOB)])
    await compactor.compact_all()
    return log_database


async def total(database: Database, projection: LazyProjection[Tally] = TALLY) -> int:
    (folded,) = await database.store.reader(projection).read([key(ANN)])
    return folded.state.total


async def test_a_retry_in_vain_changes_nothing(poisoned: Database) -> None:
    mended = await mender_in(poisoned).retry(key(ANN))
    assert mended.failed is not None
    assert (mended.folded, mended.failed.position, mended.failed.kind) == (0, 2, Kind.FAILED)
    assert mended.failed.cause.startswith("ValueError")


async def test_a_mended_release_folds_the_key_when_it_is_retried(poisoned: Database) -> None:
    mended = await mender_in(poisoned, MENDED).retry(key(ANN))
    assert (mended.folded, mended.failed) == (1, None)
    (stored,) = await poisoned.store.snapshots.load([key(ANN)])
    assert (stored.parked, stored.tail) == (False, [])
    assert await total(poisoned) == 6


async def test_a_dropped_event_is_retracted_and_the_key_stands_before_the_next_that_fails(poisoned: Database) -> None:
    mender = mender_in(poisoned)
    mended = await mender.drop(Dropping(key(ANN), PARTITION, 2, "sent by a test", "r1"))
    assert mended.failed is not None
    assert mended.dropped is not None
    assert mended.failed.position == 5
    assert (mended.dropped.kind, mended.dropped.dropped_why) == (Kind.DROPPED, "sent by a test")
    assert await total(poisoned) == 4
    mended = await mender.drop(Dropping(key(ANN), PARTITION, 5, "this one too"))
    assert mended.failed is None
    assert await total(poisoned) == 4
    (stored,) = await poisoned.store.snapshots.load([key(ANN)])
    assert (stored.parked, stored.tail) == (False, [])
    assert [event.type for event in (await poisoned.store.events())[PARTITION]].count(RETRACTED) == 2


async def test_dropping_again_retracts_nothing_more(poisoned: Database) -> None:
    mender = mender_in(poisoned)
    first = await mender.drop(Dropping(key(ANN), PARTITION, 2, "sent by a test", "r1"))
    for request_id in ("r1", "r2"):
        again = await mender.drop(Dropping(key(ANN), PARTITION, 2, "again", request_id))
        assert (again.dropped, again.failed) == (first.dropped, first.failed)
    with pytest.raises(InvalidArgument):
        await mender.drop(Dropping(key(ANN), PARTITION, 5, "another", "r1"))
    assert [event.type for event in (await poisoned.store.events())[PARTITION]].count(RETRACTED) == 1


async def test_what_is_no_letter_can_neither_be_retried_nor_dropped(poisoned: Database) -> None:
    mender = mender_in(poisoned)
    for whose in (key(BOB), key(ANN, "other")):
        with pytest.raises(NotFound):
            await mender.retry(whose)
    for whose, position in ((key(ANN), 4), (key(BOB), 2), (key(ANN, "other"), 2)):
        with pytest.raises((NotFound, FailedPrecondition)):
            await mender.drop(Dropping(whose, PARTITION, position, "no"))
    assert await total(poisoned) == 1
