import asyncio
from typing import Any

import pytest

from libs.eventlog.versions import Switched, UnknownFold, Version, Versions, changes, completed
from libs.runtime.errors import FailedPrecondition
from tests.support.logs import added, key_of, running
from tests.support.rebuilding import Workshop
from tests.support.tally import POISON
from tests.support.transport import eventually

ANN = ("demo", key_of("ann"))


async def test_the_first_start_makes_version_one_and_later_ones_leave_it(workshop: Workshop) -> None:
    for _ in range(2):
        living = await workshop.begun()
    (version,) = await workshop.versions.load()
    assert (version.number, version.name, version.state, version.snapshots) == (1, "tally", "active", "portraits")
    assert living.active.version == version


async def test_replicas_that_start_at_once_agree_on_version_one(workshop: Workshop) -> None:
    await asyncio.gather(*(workshop.begun() for _ in range(4)))
    assert [one.number for one in await workshop.versions.load()] == [1]


async def test_switching_changes_what_is_read_and_back(workshop: Workshop) -> None:
    living = await workshop.begun()
    await workshop.log.append([added("ann", 5)])
    workshop.today.factors["demo"] = 3
    number = await workshop.rebuild()
    for after, total in ((number, 15), (1, 5), (number, 15)):
        switched = await workshop.versions.switch(after)
        assert switched == Switched(1 if after == number else number, after)
        await living.refresh()
        reading = await living.read([ANN])
        assert (reading.version.number, reading.states[0].state.total) == (after, total)
    past = await living.read_at([ANN], as_of=2**62)
    assert past.states[0].state.total == 15


async def test_a_repeated_switch_is_answered_as_the_first_was_and_switches_nothing(workshop: Workshop) -> None:
    await workshop.begun()
    number = await workshop.rebuild()
    first = await workshop.versions.switch(number, "once")
    await workshop.versions.switch(1, "back")
    assert await workshop.versions.switch(number, "once") == first == Switched(1, number)
    assert [one.state for one in await workshop.versions.load()] == ["active", "ready"]


async def test_a_version_is_read_only_when_it_is_ready(workshop: Workshop) -> None:
    await workshop.begun()
    number = await workshop.start()
    with pytest.raises(FailedPrecondition) as refused:
        await workshop.versions.switch(number)
    assert refused.value.reason == "VERSION_NOT_READY"


async def test_the_version_that_is_read_is_never_dropped(workshop: Workshop) -> None:
    await workshop.begun()
    number = await workshop.rebuild()
    await workshop.versions.switch(number)
    with pytest.raises(FailedPrecondition) as refused:
        await workshop.versions.retire(number)
    assert refused.value.reason == "VERSION_ACTIVE"
    for _ in range(2):
        await workshop.versions.retire(1)
    assert [(one.number, one.state) for one in await workshop.versions.load()] == [(number, "active")]


async def test_a_replica_that_has_not_heard_of_a_switch_reads_what_is_left(workshop: Workshop) -> None:
    living = await workshop.begun()
    await workshop.log.append([added("ann", 5)])
    workshop.today.factors["demo"] = 3
    await workshop.versions.switch(await workshop.rebuild())
    await living.refresh()
    await workshop.versions.retire(1)
    await workshop.versions.switch(await workshop.rebuild())
    await workshop.versions.retire(2)
    assert (await living.read([ANN])).states[0].state.total == 15


async def test_every_version_is_kept_up_in_the_background(workshop: Workshop) -> None:
    living = await workshop.begun()
    async with running(living):
        number = await workshop.rebuild()
        await living.refresh()
        await asyncio.sleep(0.05)
        events = [added("ann", 1) for _ in range(4)]
        living.count(events, await workshop.log.append(events))
        for one in living.living:

            async def folded(snapshots: object = one.reader.snapshots) -> bool:
                (stored,) = await snapshots.load([ANN])  # type: ignore[attr-defined]
                return bool(stored.position >= 3)

            await eventually(folded)
        await workshop.versions.switch(number)
        await workshop.versions.retire(1)
        await living.refresh()
        assert [one.version.number for one in living.living] == [number]


async def test_only_the_version_that_is_read_is_kept_up_in_haste(workshop: Workshop) -> None:
    living = await workshop.begun()
    number = await workshop.rebuild()
    for read in (1, number, 1):
        await workshop.versions.switch(read)
        await living.refresh()
        assert [one.version.number for one in living.living if one.compactor.hasty] == [read]


async def test_letters_of_a_version_bear_its_name(workshop: Workshop) -> None:
    await workshop.begun()
    await workshop.log.append([added("ann", POISON)])
    number = await workshop.rebuild()
    (_, version) = await workshop.versions.load()
    assert version.name == f"tally@{number}"


async def test_a_release_without_the_fold_of_the_version_that_is_read_refuses_to_start(workshop: Workshop) -> None:
    workshop.today.fold = 2
    with pytest.raises(UnknownFold, match="tally is folded by fold 2, which this release does not have"):
        await workshop.begun()


async def test_a_version_of_a_newer_release_is_left_to_it(workshop: Workshop) -> None:
    living = await workshop.begun()
    workshop.today.fold = 2
    await workshop.start()
    assert await workshop.rebuilds.take("older", living.knows) is None
    await living.refresh()
    assert [one.version.number for one in living.living] == [1]


def test_a_meaning_keeps_what_it_says_and_gains_what_it_lacks() -> None:
    meaning = {"fold": 1, "zones": {"demo": "Asia/Shanghai"}}
    today = {"fold": 2, "zones": {"demo": "UTC", "other": "UTC"}, "new": 5}
    whole = completed(meaning, today)
    assert whole == {"fold": 1, "zones": {"demo": "Asia/Shanghai", "other": "UTC"}, "new": 5}
    assert changes(meaning, whole) == ["new: none → 5", "zones.other: none → UTC"]


class Slow:
    """Versions whose first answer, true when it was made, arrives after later ones were asked for."""

    def __init__(self, versions: Versions) -> None:
        self._versions = versions
        self.asked = asyncio.Event()
        self.answer = asyncio.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._versions, name)

    async def load(self) -> list[Version]:
        versions = await self._versions.load()
        if not self.asked.is_set():
            self.asked.set()
            await self.answer.wait()
        return versions


async def test_an_old_answer_never_undoes_what_a_newer_one_said(workshop: Workshop) -> None:
    living = await workshop.begun()
    number = await workshop.rebuild()
    living.versions = slow = Slow(workshop.versions)
    late = asyncio.create_task(living.refresh())
    await slow.asked.wait()
    await workshop.versions.switch(number)
    newer = asyncio.create_task(living.refresh())
    await asyncio.sleep(0.05)
    slow.answer.set()
    await asyncio.gather(late, newer)
    assert living.active.version.number == number
