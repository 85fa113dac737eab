"""Transactions without a consumer's checkpoint: they append what follows, or are tried again."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, TypeVar

import asyncpg

from libs.eventlog.database import Connection, reaching
from libs.eventlog.postgres import PostgresLog
from libs.runtime.errors import Unavailable

Answer = TypeVar("Answer")

TRIES: Final = 5


class Undo(Exception):
    """Ends a transaction so that nothing of it stays; its answer is the transaction's."""

    def __init__(self, answer: object) -> None:
        super().__init__("undone, as was asked for")
        self.answer = answer


@dataclass(frozen=True, slots=True)
class Transactions:
    """Runs work in transactions of its own on the service's database."""

    pool: asyncpg.Pool
    log: PostgresLog

    async def run(self, work: Callable[[Connection], Awaitable[Answer]]) -> Answer:
        """The answer of work that was committed; raises `Unavailable`, and what the work raises."""
        for _ in range(TRIES):
            try:
                with reaching():
                    async with self.pool.acquire() as connection, connection.transaction():
                        return await work(connection)
            except asyncpg.CheckViolationError:  # no range of the log takes a row of this moment yet
                await self.log.cover()
            except (asyncpg.UniqueViolationError, asyncpg.TransactionRollbackError):
                continue  # the same was recorded meanwhile, or two waited for each other: then look again
        raise Unavailable("postgresql", "the transaction met others again and again")

    async def tried(self, work: Callable[[Connection], Awaitable[Answer]]) -> Answer:
        """The answer of work of which nothing stays."""

        async def undone(connection: Connection) -> Answer:
            raise Undo(await work(connection))

        try:
            return await self.run(undone)
        except Undo as undo:
            return undo.answer  # type: ignore[return-value]  # it is what the work answered
