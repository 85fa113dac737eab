"""A tally in versions, and workshops that rebuild it, in memory and in PostgreSQL."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from libs.eventlog.compaction import Compactor
from libs.eventlog.event import Recorded
from libs.eventlog.horizons import PostgresHorizons
from libs.eventlog.lazy import LazyReader
from libs.eventlog.living import LivingProjection
from libs.eventlog.memory import MemoryHorizons, MemoryLog
from libs.eventlog.memory_rebuild import MemoryProgress, MemoryRebuilds, MemoryVersions
from libs.eventlog.projection import Folded, Handled, LazyProjection, refold
from libs.eventlog.rebuild import Progress, RebuildWorker, Run
from libs.eventlog.rebuild_progress import PostgresProgress
from libs.eventlog.rebuilds import PostgresRebuilds, Rebuilds
from libs.eventlog.snapshots import KeyOfTenant, PostgresSnapshots
from libs.eventlog.versions import Meaning, PostgresVersions, UnknownFold, Version, VersionedProjection, Versions
from libs.telemetry.metrics import Metrics
from tests.support.logs import Database, Store, memory_store
from tests.support.tally import ADDED, TALLY, Tally, add, combine

NAME: Final = "tally"
TABLE: Final = "portraits"


@dataclass
class Today:
    """What a version made now would mean: by how much amounts are multiplied, by tenant."""

    factors: dict[str, int] = field(default_factory=lambda: {"demo": 1})
    fold: int = 1


def tallies(today: Today) -> VersionedProjection[Tally]:
    """A tally whose amounts are multiplied by what its version says."""

    def first() -> Meaning:
        return {"fold": today.fold, "factors": dict(today.factors)}

    async def now(_: Meaning) -> Meaning:
        return first()

    def of(version: Version) -> LazyProjection[Tally]:
        if version.meaning["fold"] != 1:
            raise UnknownFold(version.name, version.meaning["fold"])
        factors = version.meaning["factors"]

        def multiplied(tally: Tally, recorded: Recorded) -> Tally:
            before = tally.total
            add(tally, recorded)
            tally.total = before + (tally.total - before) * factors[recorded.event.tenant]
            return tally

        return LazyProjection(
            name=version.name,
            version=version.number,
            snapshots=version.snapshots,
            handles={ADDED: Handled(1, multiplied)},
            initial=Tally,
            combine=combine,
            encode=TALLY.encode,
            decode=TALLY.decode,
            describe=lambda tally: {
                "total": {"": tally.total},
                "positions": dict.fromkeys(map(str, tally.positions), 1),
            },
        )

    return VersionedProjection(NAME, TABLE, of, first, now)


Opener = Callable[[LazyProjection[Tally]], tuple[LazyReader[Tally], Compactor[Tally]]]


@dataclass(frozen=True)
class Workshop:
    """A log, the versions of a tally over it, and all that rebuilds them; `today` may be changed."""

    store: Store
    versions: Versions
    rebuilds: Rebuilds
    opened: Opener
    progress: Callable[[Run], Progress]
    today: Today

    @property
    def log(self) -> Any:
        return self.store.log

    def living(self) -> LivingProjection[Tally]:
        """The versions as a replica keeps them; begin it."""
        return LivingProjection(tallies(self.today), self.versions, self.opened)

    async def begun(self) -> LivingProjection[Tally]:
        living = self.living()
        await living.begin()
        return living

    async def start(self, workers: int = 1, request_id: str = "") -> int:
        """Begin a rebuild under today's meaning."""
        declared = tallies(self.today)
        return await self.rebuilds.start(await declared.today({}), workers, request_id)

    async def take(self) -> Run:
        run = await self.rebuilds.take("tester", lambda _: True)
        assert run is not None
        return run

    async def worker(self, run: Run) -> RebuildWorker[Tally]:
        """A worker of a run."""
        declared = tallies(self.today)
        versions = {one.number: one for one in await self.versions.load()}
        old, new = (self.opened(declared.of(versions[number]))[0] for number in (run.against, run.version))
        return RebuildWorker(self.log, old, new, self.progress(run))

    async def rebuild(self) -> int:
        """A version under today's meaning, built and compared."""
        number = await self.start()
        await (await self.worker(await self.take())).work()
        return number

    async def reader(self, number: int) -> LazyReader[Tally]:
        versions = {one.number: one for one in await self.versions.load()}
        return self.opened(tallies(self.today).of(versions[number]))[0]

    async def golden(self, number: int, key: KeyOfTenant) -> Folded[Tally]:
        """What a version says of a key, folded from its whole log."""
        return refold((await self.reader(number)).projection, await self.store.log.read_key(*key))


def memory_workshop() -> Workshop:
    store = memory_store()
    log = store.log
    assert isinstance(log, MemoryLog)
    versions = MemoryVersions(NAME, TABLE, log, store.clock)

    def opened(projection: LazyProjection[Tally]) -> tuple[LazyReader[Tally], Compactor[Tally]]:
        snapshots = versions.snapshots[projection.snapshots]
        reader = LazyReader(projection, log, snapshots)
        return reader, Compactor(reader, MemoryHorizons(log, snapshots, 1_000), Metrics(), 3)

    return Workshop(
        store, versions, MemoryRebuilds(versions), opened, lambda run: MemoryProgress(versions, run), Today()
    )


def postgres_workshop(database: Database) -> Workshop:
    store, pool = database.store, database.pool
    today = Today()

    def snapshots(projection: str, table: str) -> PostgresSnapshots:
        return PostgresSnapshots(pool, projection, table, store.log)

    def opened(projection: LazyProjection[Tally]) -> tuple[LazyReader[Tally], Compactor[Tally]]:
        reader = LazyReader(projection, store.log, snapshots(projection.name, projection.snapshots))
        horizons = PostgresHorizons(pool, projection.name, projection.snapshots, 1_000)
        return reader, Compactor(reader, horizons, Metrics(), 3)

    def progress(run: Run) -> Progress:
        def of(number: int) -> PostgresSnapshots:
            first = number == 1
            return snapshots(NAME if first else f"{NAME}@{number}", TABLE if first else f"{TABLE}_{number}")

        return PostgresProgress(pool, run, of(run.against), of(run.version), store.clock)

    versions = PostgresVersions(pool, NAME, TABLE, store.clock)
    return Workshop(store, versions, PostgresRebuilds(pool, NAME, TABLE, store.clock), opened, progress, today)
