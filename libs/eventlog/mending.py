"""Mending: events that a projection could not fold are tried again in order, or given up with a reason."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Final, Generic, Protocol, TypeVar

import asyncpg

from libs.eventlog.compaction import Compactor
from libs.eventlog.dead_letters import DeadLetters, Kind, Letter, PostgresDeadLetters
from libs.eventlog.folding import Folding
from libs.eventlog.living import LivingProjection
from libs.eventlog.postgres import PostgresLog
from libs.eventlog.projection import State
from libs.eventlog.retraction import retraction
from libs.eventlog.snapshots import KeyOfTenant
from libs.eventlog.verdict import Park, Retry, verdict_on
from libs.runtime.clock import Clock
from libs.runtime.errors import FailedPrecondition, InvalidArgument, NotFound, Unavailable

ConnectionT = TypeVar("ConnectionT")

LETTERS_AT_ONCE: Final = 1_000


@dataclass(frozen=True, slots=True)
class Dropping:
    """A wish to give up the event that a key stands before; `request_id` makes it harmless to repeat."""

    key: KeyOfTenant
    partition: int
    position: int
    why: str
    request_id: str = ""

    @property
    def place(self) -> tuple[int, int]:
        """Partition and position of the event."""
        return self.partition, self.position


@dataclass(frozen=True, slots=True)
class Mended:
    """What became of a key: letters folded now, letters that still wait, and the one that they wait behind."""

    folded: int
    waiting: int
    failed: Letter | None
    dropped: Letter | None = None


class Mender(Protocol):
    """Tries the dead letters of one projection of one log again, or drops them."""

    @property
    def projection(self) -> str:
        """Its name."""
        ...

    @property
    def log(self) -> str:
        """The log that the letters come from."""
        ...

    async def retry(self, key: KeyOfTenant) -> Mended:
        """Fold the letters of a key in order, as far as they can be folded. Raises `NotFound`, `Unavailable`."""
        ...

    async def drop(self, dropping: Dropping) -> Mended:
        """Skip the event that a key stands before for ever, then try the rest of the key.

        Raises `NotFound`, `FailedPrecondition` for a letter that is not the one that failed, `InvalidArgument` for a
        request id that stands for another letter, `Unavailable`.
        """
        ...


@dataclass(frozen=True, slots=True)
class ConsumerMender(Generic[ConnectionT]):
    """Mends a consumer's projection: under its checkpoint, with its handler, in one transaction."""

    folding: Folding[ConnectionT]

    @property
    def projection(self) -> str:
        """See `Mender.projection`."""
        return self.folding.name

    @property
    def log(self) -> str:
        """See `Mender.log`."""
        return self.folding.log

    async def retry(self, key: KeyOfTenant) -> Mended:
        """See `Mender.retry`."""
        failed = await self.folding.letters.failed(key)
        if failed is None:
            raise NotFound("dead letter of key", key[1].hex())
        async with self.folding.checkpoints.hold(failed.partition) as connection:
            return await self._fold_in_order(connection, key)

    async def drop(self, dropping: Dropping) -> Mended:
        """See `Mender.drop`."""
        letters = self.folding.letters
        async with self.folding.checkpoints.hold(dropping.partition) as connection:
            letter = await letter_to_drop(letters, connection, dropping)
            if letter.kind is Kind.FAILED:
                await letters.drop(connection, letter, dropping.why, dropping.request_id)
            mended = await self._fold_in_order(connection, dropping.key)
            dropped = await letters.at(connection, *dropping.place)
        return Mended(mended.folded, mended.waiting, mended.failed, dropped)

    async def _fold_in_order(self, connection: ConnectionT, key: KeyOfTenant) -> Mended:
        """Fold letters from the first on. What fails stays, with the new cause and all behind it."""
        letters, folded = self.folding.letters, 0
        while waiting := await letters.waiting(connection, key, LETTERS_AT_ONCE):
            done, cause = await self._fold_first(connection, waiting)
            await letters.remove(connection, waiting[:done])
            folded += done
            if cause:
                await letters.blame(connection, waiting[done], cause)
                break
        left = await letters.waiting(connection, key, 1)
        return Mended(folded, await letters.count(connection, key) - len(left), left[0] if left else None)

    async def _fold_first(self, connection: ConnectionT, waiting: Sequence[Letter]) -> tuple[int, str]:
        """How many letters from the first on could be folded, and why the next one could not."""
        done, portion = 0, len(waiting)
        while done < len(waiting):
            tried = waiting[done : done + portion]
            try:
                async with self.folding.checkpoints.savepoint(connection):
                    await self.folding.hand_over(connection, [letter.batch for letter in tried])
            except Exception as error:
                match verdict_on(error):
                    case Retry(reason):
                        raise Unavailable(self.projection, reason) from error
                    case Park(reason) if len(tried) == 1:
                        return done, reason
                    case Park():
                        portion = len(tried) // 2
            else:
                done += len(tried)
        return done, ""


@dataclass(frozen=True, slots=True)
class LazyMender(Generic[State]):
    """Mends a lazy projection, whose letters are only the events that failed: what is behind them is in the log.

    `on_drop` tells the projection's other versions, from which the event is gone too.
    """

    log_of: PostgresLog
    pool: asyncpg.Pool
    letters: PostgresDeadLetters
    compactor: Compactor[State]
    clock: Clock
    on_drop: Callable[[Iterable[KeyOfTenant]], None] = lambda _: None

    @property
    def projection(self) -> str:
        """See `Mender.projection`."""
        return self.compactor.reader.projection.name

    @property
    def log(self) -> str:
        """See `Mender.log`."""
        return self.log_of.name

    async def retry(self, key: KeyOfTenant) -> Mended:
        """See `Mender.retry`."""
        before = await self.letters.failed(key)
        if before is None:
            raise NotFound("dead letter of key", key[1].hex())
        await self.compactor.compact([key])
        failed = await self.letters.failed(key)
        folded = failed is None or failed.position != before.position
        return Mended(int(folded), 0, failed)

    async def drop(self, dropping: Dropping) -> Mended:
        """See `Mender.drop`. The event is retracted from the log, as whatever is to count as never sent."""
        async with self.pool.acquire() as connection, connection.transaction():
            letter = await letter_to_drop(self.letters, connection, dropping)
            if letter.kind is Kind.FAILED:
                await self.letters.drop(connection, letter, dropping.why, dropping.request_id)
                taken_back = retraction(*dropping.key, [letter.position], dropping.why, self.clock.now())
                await self.log_of.append_in(connection, [taken_back])
            dropped = await self.letters.at(connection, *dropping.place)
        self.on_drop([dropping.key])
        await self.compactor.compact([dropping.key])
        return Mended(0, 0, await self.letters.failed(dropping.key), dropped)


@dataclass(frozen=True, slots=True)
class VersionMenders(Generic[State]):
    """A mender for each version of a lazy projection that is kept up at the moment."""

    living: LivingProjection[State]
    log_of: PostgresLog
    pool: asyncpg.Pool
    clock: Clock

    def __iter__(self) -> Iterator[Mender]:
        for one in self.living.living:
            letters = PostgresDeadLetters(self.pool, one.version.name, self.log_of.name, self.clock)
            yield LazyMender(self.log_of, self.pool, letters, one.compactor, self.clock, self.living.request)


@dataclass(frozen=True, slots=True)
class Menders:
    """The menders of several projections, as they are at the moment."""

    each: Sequence[Iterable[Mender]]

    def __iter__(self) -> Iterator[Mender]:
        return chain.from_iterable(self.each)


async def letter_to_drop(letters: DeadLetters[ConnectionT], connection: ConnectionT, dropping: Dropping) -> Letter:
    """The letter that a wish to drop means, dropped already or not; raises as `Mender.drop` says."""
    tenant, key = dropping.key
    place = f"{dropping.partition}:{dropping.position}"
    before = await letters.dropped_by(connection, tenant, dropping.request_id) if dropping.request_id else None
    if before is not None and (before.partition, before.position) != dropping.place:
        raise InvalidArgument("request_id", f"dropped another letter before, at {before.partition}:{before.position}")
    letter = await letters.at(connection, *dropping.place)
    if letter is None or (letter.tenant, letter.key) != (tenant, key):
        raise NotFound("dead letter", place)
    if letter.kind is Kind.WAITING:
        raise FailedPrecondition(
            "LETTER_ONLY_WAITS", f"{place} did not fail: it waits behind another letter of its key"
        )
    return letter
