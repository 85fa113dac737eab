"""Versions of projections and their rebuilds in memory, under the same contract as PostgreSQL."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from libs.eventlog.difference import Difference, Found
from libs.eventlog.event import partition_of
from libs.eventlog.memory import MemoryLog, MemorySnapshots
from libs.eventlog.rebuild import RUNNING, Overtaken, Phase, Run, Step
from libs.eventlog.rebuilds import (
    LEASE,
    RETRY,
    Standing,
    a_second,
    check_cancel,
    check_compare,
    check_start,
    seconds_left,
)
from libs.eventlog.snapshots import Compacted, KeyOfTenant, Stored
from libs.eventlog.versions import (
    Meaning,
    Switched,
    Version,
    VersionState,
    active_of,
    check_retire,
    check_switch,
    completed,
)
from libs.runtime.clock import Clock, Micros
from libs.runtime.errors import FailedPrecondition, NotFound


@dataclass
class _Job:
    """A rebuild, and its steps by phase and partition."""

    against: int
    workers: int
    request_id: str
    started_at: Micros
    phase: Phase = "build"
    built_at: Micros | None = None
    ended_at: Micros | None = None
    epoch: int = 0
    lease_until: Micros = 0
    paced_at: Micros = 0
    paced_from: int = 0
    trouble: str = ""
    steps: dict[tuple[Phase, int], tuple[Step, int]] = field(default_factory=dict)
    differences: list[Difference] = field(default_factory=list)

    def of(self, phase: Phase) -> list[Step]:
        return [step for (at, _), (step, _) in self.steps.items() if at == phase]

    def done(self) -> int:
        return sum(step.keys if self.phase == "compare" else step.events for step in self.of(self.phase))


@dataclass(eq=False)
class MemoryVersions:
    """See `Versions`; `snapshots` has those of each version by the name of their table."""

    projection: str
    table: str
    log: MemoryLog
    clock: Clock
    snapshots: dict[str, MemorySnapshots] = field(default_factory=dict, init=False)
    all: dict[int, Version] = field(default_factory=dict, init=False)
    jobs: dict[int, _Job] = field(default_factory=dict, init=False)
    _switches: dict[str, Switched] = field(default_factory=dict, init=False)

    async def load(self) -> list[Version]:
        """See `Versions.load`."""
        return list(self.living().values())

    async def begin(self, meaning: Meaning) -> None:
        """See `Versions.begin`."""
        if not self.all:
            self.add(1, self.table, meaning, "active")
        for number, version in self.living().items():
            self.change(number, meaning=completed(version.meaning, meaning))

    async def switch(self, number: int, request_id: str = "") -> Switched:
        """See `Versions.switch`."""
        if request_id in self._switches:
            return self._switches[request_id]
        before = active_of(self.living())
        check_switch(self.living(), self.projection, number)
        self.change(before, state="ready")
        self.change(number, state="active")
        switched = Switched(before, number)
        if request_id:
            self._switches[request_id] = switched
        return switched

    async def retire(self, number: int) -> None:
        """See `Versions.retire`."""
        if number in self.all and self.all[number].state == "retired":
            return
        check_retire(self.living(), self.projection, number)
        if any(job.phase in RUNNING for job in self.jobs.values()):
            raise FailedPrecondition("REBUILD_RUNNING", f"version {number} is being compared: wait, or cancel that")
        self.drop(number)

    def living(self) -> dict[int, Version]:
        """Versions that are not retired."""
        return {number: one for number, one in sorted(self.all.items()) if one.state != "retired"}

    def add(self, number: int, table: str, meaning: Meaning, state: VersionState) -> None:
        """Make a version, with a place for its snapshots."""
        self.all[number] = Version(self.projection, number, table, dict(meaning), state, self.clock.now())
        self.snapshots[table] = MemorySnapshots(self.log)

    def change(self, number: int, **facts: Any) -> None:
        """Change facts of a version."""
        self.all[number] = msgspec.structs.replace(self.all[number], **facts)

    def drop(self, number: int) -> None:
        """Retire a version with all that it has stored."""
        self.change(number, state="retired")
        self.snapshots[self.all[number].snapshots] = MemorySnapshots(self.log)
        if number in self.jobs:
            self.jobs[number].differences.clear()


@dataclass(eq=False)
class MemoryRebuilds:
    """See `Rebuilds`."""

    versions: MemoryVersions

    async def start(self, meaning: Meaning, workers: int, request_id: str = "") -> int:
        """See `Rebuilds.start`."""
        versions, heads = self.versions, await self.versions.log.heads()
        for number, job in versions.jobs.items():
            if request_id and job.request_id == request_id:
                return number
        check_start(versions.living())
        number = max(versions.all) + 1
        job = _Job(active_of(versions.living()), workers, request_id, versions.clock.now())
        job.steps = {("build", partition): (Step("build", partition, head), 0) for partition, head in heads.items()}
        versions.add(number, f"{versions.table}_{number}", meaning, "building")
        versions.jobs[number] = job
        return number

    async def get(self, version: int = 0) -> Standing:
        """See `Rebuilds.get`."""
        number = version or max(self.versions.jobs, default=0)
        job, now, found = self._job(number), self.versions.clock.now(), Found()
        for step in job.of("compare"):
            found.add(step.found)
        built = job.of("build")
        wanted, keys = sum(step.until for step in built), sum(step.keys for step in built)
        running = job.lease_until > now
        pace = a_second(job.done() - job.paced_from, now - job.paced_at)
        events = sum(step.events for step in built)
        return Standing(
            projection=self.versions.projection,
            version=number,
            against=job.against,
            phase=job.phase,
            workers=job.workers,
            started_at=job.started_at,
            ended_at=job.ended_at,
            running=running,
            trouble=job.trouble,
            events=events,
            events_wanted=wanted,
            keys=keys,
            keys_compared=found.keys,
            events_per_s=pace if job.built_at is None else a_second(events, job.built_at - job.started_at),
            seconds_left=seconds_left(job.phase, wanted if job.phase == "build" else keys, job.done(), pace)
            if running
            else None,
            found=found,
        )

    async def cancel(self, version: int) -> None:
        """See `Rebuilds.cancel`."""
        job = self._job(version)
        if job.phase == "cancelled":
            return
        ended = check_cancel(job.phase, self.versions.living(), version)
        job.phase, job.epoch, job.lease_until, job.ended_at = ended, job.epoch + 1, 0, self.versions.clock.now()
        if ended == "cancelled":
            self.versions.drop(version)

    async def compare_again(self, version: int) -> None:
        """See `Rebuilds.compare_again`."""
        job = self._job(version)
        if job.phase == "compare":
            return
        job.against = check_compare(self.versions.living(), version, job.phase)
        job.phase, job.ended_at, job.lease_until, job.trouble = "compare", None, 0, ""
        job.differences.clear()
        begin_comparing(job)

    async def differences(self, version: int, behind: KeyOfTenant | None, limit: int) -> list[Difference]:
        """See `Rebuilds.differences`."""
        differing = sorted(self._job(version).differences, key=lambda one: (one.tenant, one.key))
        return [one for one in differing if behind is None or (one.tenant, one.key) > behind][:limit]

    async def take(self, owner: str, knows: Callable[[Version], bool]) -> Run | None:
        """See `Rebuilds.take`."""
        now, living = self.versions.clock.now(), self.versions.living()
        for number, job in self.versions.jobs.items():
            free = job.phase in RUNNING and job.lease_until <= now
            if free and knows(living[number]) and knows(living[job.against]):
                job.epoch += 1
                job.lease_until, job.paced_at, job.paced_from = now + LEASE, now, job.done()
                return Run(self.versions.projection, number, job.against, job.workers, job.epoch)
        return None

    async def renew(self, run: Run) -> bool:
        """See `Rebuilds.renew`."""
        job = self._job(run.version)
        if job.epoch != run.epoch or job.phase not in RUNNING:
            return False
        job.lease_until = self.versions.clock.now() + LEASE
        return True

    async def release(self, run: Run, trouble: str = "") -> None:
        """See `Rebuilds.release`."""
        job = self._job(run.version)
        if job.epoch == run.epoch:
            job.trouble, job.lease_until = trouble, self.versions.clock.now() + RETRY if trouble else 0

    def _job(self, version: int) -> _Job:
        if version not in self.versions.jobs:
            raise NotFound("rebuild", f"{self.versions.projection} {version}" if version else self.versions.projection)
        return self.versions.jobs[version]


@dataclass(eq=False)
class MemoryProgress:
    """See `rebuild.Progress`."""

    versions: MemoryVersions
    run: Run

    async def phase(self) -> Phase:
        """See `rebuild.Progress.phase`."""
        job = self._fenced()
        if job.phase in RUNNING and all(step.done for step in job.of(job.phase)):
            if job.phase == "build":
                job.phase, job.built_at, job.paced_at, job.paced_from = "compare", self._now(), self._now(), 0
                self.versions.change(self.run.version, state="comparing")
                begin_comparing(job)
            else:
                job.phase, job.ended_at = "done", self._now()
                if self.versions.all[self.run.version].state == "comparing":
                    self.versions.change(self.run.version, state="ready")
        return job.phase

    async def claim(self) -> Step | None:
        """See `rebuild.Progress.claim`."""
        job = self._fenced()
        for at, (step, epoch) in job.steps.items():
            if step.phase == job.phase and not step.done and epoch < self.run.epoch:
                job.steps[at] = step, self.run.epoch
                return msgspec.json.decode(msgspec.json.encode(step), type=Step)
        return None

    async def built(self, step: Step, compacted: Sequence[Compacted]) -> None:
        """See `rebuild.Progress.built`."""
        self._save(step)
        await self._snapshots(self.run.version).save(compacted)

    async def next_keys(self, step: Step, limit: int) -> list[KeyOfTenant]:
        """See `rebuild.Progress.next_keys`."""
        after = step.after[1] if step.after else b""
        keys = [
            (tenant, key)
            for tenant, key in self._snapshots(self.run.version).stored()
            if key > after and partition_of(key, self.versions.log.partitions) == step.partition
        ]
        return sorted(keys, key=lambda one: one[1])[:limit]

    async def pairs(self, keys: Sequence[KeyOfTenant]) -> list[tuple[Stored, Stored]]:
        """See `rebuild.Progress.pairs`."""
        self._fenced()
        old = await self._snapshots(self.run.against).load(keys)
        return list(zip(old, await self._snapshots(self.run.version).load(keys), strict=True))

    async def compared(self, step: Step, differences: Sequence[Difference]) -> None:
        """See `rebuild.Progress.compared`."""
        self._save(step).differences += differences

    def _save(self, step: Step) -> _Job:
        job = self._fenced()
        _, epoch = job.steps[step.phase, step.partition]
        if epoch != self.run.epoch:
            raise Overtaken
        kept: Step = msgspec.json.decode(msgspec.json.encode(step), type=Step)
        job.steps[step.phase, step.partition] = kept, epoch
        return job

    def _fenced(self) -> _Job:
        job = self.versions.jobs[self.run.version]
        if job.epoch != self.run.epoch:
            raise Overtaken
        return job

    def _snapshots(self, number: int) -> MemorySnapshots:
        return self.versions.snapshots[self.versions.all[number].snapshots]

    def _now(self) -> Micros:
        return self.versions.clock.now()


def begin_comparing(job: _Job) -> None:
    """Give every partition that was built a step to compare it."""
    for step in job.of("build"):
        job.steps["compare", step.partition] = Step("compare", step.partition, step.until), 0
