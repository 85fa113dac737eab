import asyncio
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from libs.eventlog import rebuild, rebuilds
from libs.eventlog.difference import Change
from libs.eventlog.event import Envelope, NewEvent
from libs.eventlog.rebuild import Overtaken, Progress
from libs.eventlog.snapshots import Compacted, KeyOfTenant
from libs.runtime.clock import SECOND
from libs.runtime.errors import FailedPrecondition, NotFound
from tests.support.logs import added, id_of, key_of, partition_mates, retracted
from tests.support.rebuilding import Workshop
from tests.support.tally import POISON

NAMES = [f"customer {n}" for n in range(40)]
ANN, BOB, EVE = partition_mates(3)


def key(name: object) -> KeyOfTenant:
    return "demo", key_of(name)


def declared(name: object) -> NewEvent:
    """An event that the tally knows nothing of."""
    return Envelope("demo", "declared").seal().event(id_of(name), key_of(name), 0, b"")


async def reads(workshop: Workshop, number: int, *names: object) -> list[int]:
    return [one.state.total for one in await (await workshop.reader(number)).read([key(name) for name in names])]


async def test_a_new_version_says_of_every_key_what_its_whole_log_says(workshop: Workshop) -> None:
    await workshop.begun()
    await workshop.log.append([added(name, n) for n in range(5) for name in NAMES])
    number = await workshop.rebuild()
    standing = await workshop.rebuilds.get(number)
    assert (standing.phase, standing.events, standing.keys, standing.keys_compared) == ("done", 200, 40, 40)
    assert (standing.found.differing, standing.found.fields) == (0, {})
    assert standing.found.hash_before == standing.found.hash_after
    reader = await workshop.reader(number)
    for name in NAMES:
        (stored,) = await reader.snapshots.load([key(name)])
        assert stored.tail == []
        assert reader.projection.decode(stored.state or b"") == (await workshop.golden(number, key(name))).state


async def test_keys_of_which_no_event_is_handled_are_nobody(workshop: Workshop) -> None:
    await workshop.begun()
    await workshop.log.append([added(ANN, 5), declared(BOB)])
    standing = await workshop.rebuilds.get(await workshop.rebuild())
    assert (standing.events, standing.keys, standing.found.keys) == (2, 1, 1)


async def test_another_meaning_shows_in_the_difference_and_nowhere_else(workshop: Workshop) -> None:
    await workshop.begun()
    await workshop.log.append([added(ANN, 5), added(BOB, 7, tenant="demo"), added(EVE, 0)])
    workshop.today.factors["demo"] = 3
    number = await workshop.rebuild()
    assert await reads(workshop, 1, ANN, BOB, EVE) == [5, 7, 0]
    assert await reads(workshop, number, ANN, BOB, EVE) == [15, 21, 0]
    standing = await workshop.rebuilds.get(number)
    assert (standing.found.keys, standing.found.differing, standing.found.fields) == (3, 2, {"total": 2})
    differences = await workshop.rebuilds.differences(number, None, 10)
    assert {one.key: one.changes for one in differences} == {
        key_of(ANN): [Change("total", "", 5, 15)],
        key_of(BOB): [Change("total", "", 7, 21)],
    }
    assert (
        await workshop.rebuilds.differences(number, (differences[0].tenant, differences[0].key), 10)
        == (differences[1:])
    )


async def test_a_changed_setting_changes_nothing_until_a_rebuild(workshop: Workshop) -> None:
    await workshop.begun()
    await workshop.log.append([added(ANN, 5)])
    workshop.today.factors["demo"] = 3
    again = await workshop.begun()
    assert (await again.read([key(ANN)])).states[0].state.total == 5


async def test_what_is_new_in_a_setting_is_added_to_every_version(workshop: Workshop) -> None:
    await workshop.begun()
    workshop.today.factors = {"demo": 9, "other": 2}
    living = await workshop.begun()
    assert living.active.version.meaning == {"fold": 1, "factors": {"demo": 1, "other": 2}}


async def test_events_that_come_meanwhile_are_in_both_versions(workshop: Workshop) -> None:
    living = await workshop.begun()
    await workshop.log.append([added(ANN, 1) for _ in range(5)])
    number = await workshop.start()
    await workshop.log.append([added(ANN, 10), added(BOB, 100)])
    await (await workshop.worker(await workshop.take())).work()
    await workshop.log.append([added(BOB, 1_000)])
    assert await reads(workshop, number, ANN, BOB) == await reads(workshop, 1, ANN, BOB) == [15, 1_100]
    await living.refresh()
    living.request([key(ANN), key(BOB)])
    for one in living.living:
        await one.compactor.compact_all()
        assert [stored.tail for stored in await one.reader.snapshots.load([key(ANN), key(BOB)])] == [[], []]
    await workshop.rebuilds.compare_again(number)
    await (await workshop.worker(await workshop.take())).work()
    assert (await workshop.rebuilds.get(number)).found.differing == 0


async def test_versions_are_compared_at_equal_positions(workshop: Workshop) -> None:
    """Whatever of them is folded so far, and though a retraction reaches back behind one's snapshot."""
    living = await workshop.begun()
    await workshop.log.append([added(ANN, n) for n in (1, 2, 4)])
    living.request([key(ANN)])
    await living.active.compactor.compact_all()
    await workshop.log.append([retracted(ANN, 2), added(ANN, 8)])
    number = await workshop.rebuild()
    assert (await workshop.rebuilds.get(number)).found.differing == 0
    assert await reads(workshop, number, ANN) == [13]
    await workshop.log.append([added(ANN, 16), retracted(ANN, 1)])
    living.request([key(ANN)])
    await living.active.compactor.compact_all()
    await workshop.rebuilds.compare_again(number)
    await (await workshop.worker(await workshop.take())).work()
    assert (await workshop.rebuilds.get(number)).found.differing == 0


async def test_a_key_that_can_not_be_folded_is_parked_in_the_new_version_too(workshop: Workshop) -> None:
    await workshop.begun()
    await workshop.log.append([added(ANN, 5), added(ANN, POISON), added(ANN, 7), added(BOB, 1), added(EVE, POISON)])
    number = await workshop.rebuild()
    found = (await workshop.rebuilds.get(number)).found
    assert (found.keys, found.parked_before, found.parked_after, found.differing) == (3, 2, 2, 0)
    ann, bob, eve = await (await workshop.reader(number)).snapshots.load([key(ANN), key(BOB), key(EVE)])
    assert (ann.parked, bob.parked, eve.parked) == (True, False, True)
    assert (len(ann.tail), len(bob.tail), len(eve.tail)) == (2, 0, 1)


async def test_a_rebuild_is_started_once(workshop: Workshop) -> None:
    await workshop.begun()
    number = await workshop.start(request_id="once")
    assert await workshop.start(request_id="once") == number
    for request_id in ("", "another"):
        with pytest.raises(FailedPrecondition) as refused:
            await workshop.start(request_id=request_id)
        assert refused.value.reason == "REBUILD_RUNNING"
    starts = await asyncio.gather(*(workshop.start() for _ in range(3)), return_exceptions=True)
    assert all(isinstance(one, FailedPrecondition) for one in starts)


async def test_a_version_that_waits_must_go_before_the_next_is_begun(workshop: Workshop) -> None:
    await workshop.begun()
    number = await workshop.rebuild()
    with pytest.raises(FailedPrecondition) as refused:
        await workshop.start()
    assert refused.value.reason == "VERSION_WAITING"
    await workshop.versions.retire(number)
    assert await workshop.rebuild() == number + 1


class Crash(Exception):
    """The end of a worker."""


class Dying:
    """Progress whose worker dies when it has saved so many times."""

    def __init__(self, progress: Progress, saves: int) -> None:
        self._progress = progress
        self._saves = saves

    def __getattr__(self, name: str) -> Any:
        if name in {"built", "compared"}:
            self._saves -= 1
            if self._saves < 0:
                raise Crash
        return getattr(self._progress, name)


@pytest.mark.parametrize("saves", range(0, 20, 3))
async def test_whoever_comes_after_a_crash_goes_on_from_what_was_saved(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch, saves: int
) -> None:
    monkeypatch.setattr(rebuild, "CHUNK_KEYS", 4)
    monkeypatch.setattr(rebuild, "COMPARE_KEYS", 4)
    await workshop.begun()
    await workshop.log.append([added(name, n) for n in range(3) for name in NAMES])
    workshop.today.factors["demo"] = 2
    number = await workshop.start()
    run = await workshop.take()
    worker = await workshop.worker(run)
    with suppress(Crash):
        await replace(worker, progress=Dying(worker.progress, saves)).work()
    before = await workshop.rebuilds.get(number)
    await workshop.rebuilds.release(run)
    await (await workshop.worker(await workshop.take())).work()
    after = await workshop.rebuilds.get(number)
    assert before.keys <= after.keys == 40
    assert (after.phase, after.events, after.found.keys, after.found.differing) == ("done", 120, 40, 40)
    assert len(await workshop.rebuilds.differences(number, None, 100)) == 40
    assert await reads(workshop, number, *NAMES) == [6] * 40


async def test_nobody_takes_a_rebuild_that_somebody_is_at(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rebuilds, "RETRY", 60 * SECOND)
    await workshop.begun()
    await workshop.start()
    run = await workshop.take()
    assert await workshop.rebuilds.take("another", lambda _: True) is None
    assert await workshop.rebuilds.renew(run)
    await workshop.rebuilds.release(run, "trouble")
    assert await workshop.rebuilds.take("another", lambda _: True) is None
    assert (await workshop.rebuilds.get()).trouble == "trouble"
    await workshop.rebuilds.release(run)
    assert await workshop.rebuilds.take("another", lambda _: False) is None
    assert (await workshop.take()).epoch == run.epoch + 1
    assert not await workshop.rebuilds.renew(run)


async def test_a_worker_that_was_overtaken_saves_nothing(workshop: Workshop) -> None:
    await workshop.begun()
    await workshop.log.append([added(ANN, 1)])
    await workshop.start()
    run = await workshop.take()
    zombie = workshop.progress(run)
    step = await zombie.claim()
    assert step is not None
    await workshop.rebuilds.release(run)
    await (await workshop.worker(await workshop.take())).work()
    snapshot = Compacted(*key(ANN), expected=None, position=1, recorded_at=1, state=b"of a zombie")
    for saving in (
        zombie.built(step.further(None, 0, 0, done=True), [snapshot]),
        zombie.compared(step, []),
        zombie.phase(),
        zombie.claim(),
    ):
        with pytest.raises(Overtaken):
            await saving
    assert await reads(workshop, 2, ANN) == [1]


async def test_several_workers_share_the_partitions(workshop: Workshop) -> None:
    await workshop.begun()
    await workshop.log.append([added(name, n) for n in range(3) for name in NAMES])
    number = await workshop.start(workers=3)
    run = await workshop.take()
    workers = [await workshop.worker(run) for _ in range(3)]
    await asyncio.gather(*(worker.work() for worker in workers))
    standing = await workshop.rebuilds.get(number)
    assert (standing.events, standing.keys, standing.found.keys) == (120, 40, 40)


async def test_a_cancelled_rebuild_leaves_nothing_and_the_next_has_a_new_number(workshop: Workshop) -> None:
    await workshop.begun()
    await workshop.log.append([added(ANN, POISON)])
    number = await workshop.start()
    worker = await workshop.worker(await workshop.take())
    await workshop.rebuilds.cancel(number)
    await workshop.rebuilds.cancel(number)
    with pytest.raises(Overtaken):
        await worker.work()
    assert (await workshop.rebuilds.get(number)).phase == "cancelled"
    assert [one.number for one in await workshop.versions.load()] == [1]
    assert await workshop.rebuild() == number + 1
    with pytest.raises(FailedPrecondition):
        await workshop.rebuilds.cancel(number + 1)


async def test_cancelling_a_second_comparison_keeps_the_version(workshop: Workshop) -> None:
    await workshop.begun()
    number = await workshop.rebuild()
    await workshop.rebuilds.compare_again(number)
    with pytest.raises(FailedPrecondition):
        await workshop.versions.retire(number)
    await workshop.rebuilds.cancel(number)
    assert [one.state for one in await workshop.versions.load()] == ["active", "ready"]


async def test_what_does_not_exist_is_not_found(workshop: Workshop) -> None:
    await workshop.begun()
    for asking in (
        workshop.rebuilds.get(),
        workshop.rebuilds.get(7),
        workshop.rebuilds.cancel(7),
        workshop.rebuilds.compare_again(7),
        workshop.versions.switch(7),
        workshop.versions.retire(7),
    ):
        with pytest.raises(NotFound):
            await asking
