"""Dead letters of a consumer: what can't be folded waits with its key behind it, and everything else flows on."""

from collections.abc import AsyncIterator, Callable

import pytest

from libs.eventlog.checkpoint import Step
from libs.eventlog.dead_letters import Kind, Parked
from libs.eventlog.folding import ParkingFull
from libs.eventlog.ranges import Ranges
from libs.eventlog.snapshots import KeyOfTenant
from libs.eventlog.verdict import Verdict
from libs.runtime.errors import FailedPrecondition, InvalidArgument, NotFound, Unavailable
from tests.support.ledger import TABLE, Office, by_raising, by_verdict, golden, memory_office, postgres_office
from tests.support.logs import NOON, Database, added, key_of, partition_mates

PARTITION = 2
ANN, BOB, EVE = partition_mates(3, partition=PARTITION)


def key(name: object, tenant: str = "demo") -> KeyOfTenant:
    return tenant, key_of(name)


@pytest.fixture
async def postgres_offices(log_database: Database) -> AsyncIterator[Callable[[int], Office]]:
    pool = log_database.pool
    await pool.execute(TABLE)
    await Ranges(pool).cover(NOON)
    yield lambda parked_keys: postgres_office(pool, parked_keys)
    await pool.execute("DROP TABLE ledger")


@pytest.fixture(params=["memory", "postgres"])
def offices(request: pytest.FixtureRequest) -> Callable[[int], Office]:
    if request.param == "memory":
        return memory_office
    made: Callable[[int], Office] = request.getfixturevalue("postgres_offices")
    return made


@pytest.fixture
def office(offices: Callable[[int], Office]) -> Office:
    return offices(100)


async def ten_of_ann(office: Office, *spoiled: int) -> None:
    """Ann's events and Bob's in turn, at the odd positions and the even ones; some are spoiled."""
    await office.source.append([added(name) for _ in range(10) for name in (ANN, BOB)])
    office.book.spoiled = {(PARTITION, position) for position in spoiled}


ANNS = list(range(1, 21, 2))
BOBS = list(range(2, 21, 2))


@pytest.mark.parametrize("refuse", [by_verdict, by_raising])
async def test_what_follows_a_poisoned_event_is_parked_with_it_and_folds_in_order_once_mended(
    office: Office, refuse: Callable[[str], Verdict]
) -> None:
    # pitfall 14
    await ten_of_ann(office, 9)
    office.book.refuse = refuse
    await office.fold()
    assert await office.ledger() == {key(ANN): [1, 3, 5, 7], key(BOB): BOBS}
    assert await office.waiting(key(ANN)) == [9, 11, 13, 15, 17, 19]
    office.book.spoiled.clear()
    mended = await office.retry(key(ANN))
    assert (mended.folded, mended.waiting, mended.failed) == (6, 0, None)
    assert await office.ledger() == await office.outputs() == await golden(office.source)
    assert await office.letters.parked() == Parked(0, 0)


async def test_events_that_arrive_later_wait_behind_the_one_that_failed(office: Office) -> None:
    await ten_of_ann(office, 1)
    for _ in range(10):
        await office.fold(PARTITION, events=2)
    assert await office.ledger() == {key(BOB): BOBS}
    assert await office.waiting(key(ANN)) == ANNS
    assert office.positions[PARTITION] == 20
    assert await office.folding.checkpoints.load([PARTITION]) == {PARTITION: 20}


async def test_the_letter_says_what_failed_and_why(office: Office) -> None:
    await ten_of_ann(office, 3)
    await office.fold()
    letter = await office.letters.failed(key(ANN))
    assert letter is not None
    assert (letter.partition, letter.position, letter.kind) == (PARTITION, 3, Kind.FAILED)
    assert (letter.cause, letter.parked_at, letter.recorded_at) == (f"{PARTITION}:3 is spoiled", NOON, NOON)
    assert (letter.tenant, letter.key) == key(ANN)
    (batch,) = await office.source.read({PARTITION: 2}, limit=1)
    assert letter.batch == batch
    assert await office.letters.failed(key(BOB)) is None
    assert await office.letters.failed(key(ANN, "other")) is None
    assert await office.letters.parked() == Parked(letters=9, keys=1)


async def test_several_poisoned_events_of_several_keys_are_each_found(office: Office) -> None:
    await ten_of_ann(office, 5, 6, 15)
    await office.source.append([added(EVE)])
    await office.fold()
    assert await office.ledger() == {key(ANN): [1, 3], key(BOB): [2, 4], key(EVE): [21]}
    assert await office.outputs() == await office.ledger()
    assert await office.letters.parked() == Parked(16, 2)


async def test_the_same_key_of_another_tenant_flows_on(office: Office) -> None:
    # pitfall 30
    await office.source.append([added(ANN), added(ANN, tenant="other"), added(ANN), added(ANN, tenant="other")])
    office.book.spoiled = {(PARTITION, 1)}
    await office.fold()
    assert await office.ledger() == {key(ANN, "other"): [2, 4]}


async def test_no_more_is_undone_than_what_failed(office: Office) -> None:
    await ten_of_ann(office, 9)
    await office.fold()
    assert office.book.calls < 20
    await office.source.append([added(BOB)])
    calls = office.book.calls
    await office.fold()
    assert office.book.calls == calls + 1


async def test_a_transaction_of_parked_events_only_calls_no_handler(office: Office) -> None:
    await ten_of_ann(office, 1)
    await office.fold()
    calls = office.book.calls
    await office.source.append([added(ANN), added(ANN)])
    await office.fold()
    assert office.book.calls == calls
    assert await office.waiting(key(ANN)) == [*ANNS, 21, 22]


@pytest.mark.parametrize("trouble", [ConnectionResetError(), TimeoutError(), Unavailable("postgresql", "gone")])
async def test_trouble_that_passes_parks_nothing(office: Office, trouble: Exception) -> None:
    await ten_of_ann(office)
    office.book.trouble = trouble
    for _ in range(3):
        with pytest.raises(type(trouble)):
            await office.fold()
    assert office.positions[PARTITION] == 0
    assert await office.letters.parked() == Parked(0, 0)
    office.book.trouble = None
    await office.fold()
    assert await office.ledger() == await golden(office.source)


async def test_a_retry_in_vain_keeps_what_could_be_folded_and_the_rest_with_its_new_cause(office: Office) -> None:
    await ten_of_ann(office, 3, 9)
    await office.fold()
    office.book.spoiled = {(PARTITION, 9)}
    mended = await office.retry(key(ANN))
    assert mended.failed is not None
    assert (mended.folded, mended.waiting, mended.failed.position) == (3, 5, 9)
    assert mended.failed.cause == f"{PARTITION}:9 is spoiled"
    assert await office.letters.failed(key(ANN)) == mended.failed
    assert (await office.ledger())[key(ANN)] == (await office.outputs())[key(ANN)] == [1, 3, 5, 7]
    again = await office.retry(key(ANN))
    assert (again.folded, again.waiting, again.failed) == (0, 5, mended.failed)


async def test_what_arrives_after_a_retry_in_vain_still_waits(office: Office) -> None:
    await ten_of_ann(office, 3, 9)
    await office.fold()
    office.book.spoiled = {(PARTITION, 9)}
    await office.retry(key(ANN))
    await office.source.append([added(ANN)])
    await office.fold()
    assert await office.waiting(key(ANN)) == [9, 11, 13, 15, 17, 19, 21]


async def test_a_retry_during_an_outage_changes_nothing(office: Office) -> None:
    await ten_of_ann(office, 3)
    await office.fold()
    office.book.trouble = ConnectionResetError()
    with pytest.raises(Unavailable):
        await office.retry(key(ANN))
    assert await office.waiting(key(ANN)) == ANNS[1:]


async def test_a_key_without_letters_can_not_be_retried(office: Office) -> None:
    await ten_of_ann(office, 3)
    await office.fold()
    for unknown in (key(BOB), key("nobody"), key(ANN, "other")):
        with pytest.raises(NotFound):
            await office.retry(unknown)


async def test_a_dropped_event_is_skipped_for_ever_and_the_rest_of_its_key_folds(office: Office) -> None:
    await ten_of_ann(office, 9)
    await office.fold()
    mended = await office.drop(key(ANN), 9, "a test that escaped")
    assert (mended.folded, mended.waiting, mended.failed) == (5, 0, None)
    assert mended.dropped is not None
    assert (mended.dropped.kind, mended.dropped.position) == (Kind.DROPPED, 9)
    assert (mended.dropped.dropped_at, mended.dropped.dropped_why) == (NOON, "a test that escaped")
    assert await office.ledger() == await office.outputs() == await golden(office.source, {key(ANN): {9}})
    assert await office.letters.parked() == Parked(0, 0)
    with pytest.raises(NotFound):
        await office.retry(key(ANN))


async def test_what_is_spoiled_behind_a_dropped_event_is_what_the_key_stands_before_next(office: Office) -> None:
    await ten_of_ann(office, 5, 11)
    await office.fold()
    mended = await office.drop(key(ANN), 5)
    assert mended.failed is not None
    assert (mended.folded, mended.waiting, mended.failed.position) == (2, 4, 11)
    mended = await office.drop(key(ANN), 11)
    assert (mended.folded, mended.failed) == (4, None)
    assert await office.ledger() == await golden(office.source, {key(ANN): {5, 11}})


async def test_dropping_again_answers_the_same_and_drops_nothing_more(office: Office) -> None:
    await ten_of_ann(office, 5, 11)
    await office.fold()
    first = await office.drop(key(ANN), 5, request_id="r1")
    for request_id in ("r1", "r2", ""):
        again = await office.drop(key(ANN), 5, "another reason", request_id)
        assert (again.dropped, again.failed, again.waiting) == (first.dropped, first.failed, first.waiting)
    with pytest.raises(InvalidArgument) as refused:
        await office.drop(key(ANN), 11, request_id="r1")
    assert refused.value.field == "request_id"


async def test_only_the_event_that_failed_can_be_dropped_and_only_by_its_tenant(office: Office) -> None:
    await ten_of_ann(office, 5)
    await office.fold()
    with pytest.raises(FailedPrecondition) as refused:
        await office.drop(key(ANN), 7)
    assert refused.value.reason == "LETTER_ONLY_WAITS"
    for whose, position in ((key(ANN), 6), (key(ANN), 3), (key(BOB), 5), (key(ANN, "other"), 5)):
        with pytest.raises(NotFound):
            await office.drop(whose, position)
    assert await office.waiting(key(ANN)) == ANNS[2:]


async def test_a_projection_folded_again_from_the_beginning_skips_what_was_dropped(office: Office) -> None:
    await ten_of_ann(office, 9)
    await office.fold()
    await office.drop(key(ANN), 9)
    async with office.folding.checkpoints.hold(PARTITION) as connection:
        over = await office.letters.aside(connection, [Step(PARTITION, 0, 20)])
        behind = await office.letters.aside(connection, [Step(PARTITION, 9, 20), Step(0, 0, 20)])
    assert not over.keys
    assert over.dropped == {(PARTITION, 9)}
    assert not behind


async def test_when_too_many_keys_are_parked_everything_stands_still(offices: Callable[[int], Office]) -> None:
    office = offices(1)
    await ten_of_ann(office, 5, 8)
    for _ in range(2):
        with pytest.raises(ParkingFull) as full:
            await office.fold()
        assert full.value.limit == 1
        assert office.positions[PARTITION] == 7
        assert await office.letters.parked() == Parked(2, 1)
    office.book.spoiled = {(PARTITION, 5)}
    await office.fold()
    assert office.positions[PARTITION] == 20
    office.book.spoiled.clear()
    await office.retry(key(ANN))
    assert await office.ledger() == await office.outputs() == await golden(office.source)
