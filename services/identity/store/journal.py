"""The journal of a tenant's resolver: what its transactions did while a neighbourhood is resolved outside of them.

It is kept only for as long as somebody follows it, which is one at a time.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final, NamedTuple

from libs.eventlog.database import Connection
from services.identity.domain.evidence import Key

_VERSION: Final = "SELECT version FROM resolvers WHERE tenant = $1"

_IS_FOLLOWED: Final = "SELECT followed FROM resolvers WHERE tenant = $1"

_FOLLOW: Final = "UPDATE resolvers SET followed = $2 WHERE tenant = $1"

_EMPTY: Final = "DELETE FROM journal WHERE tenant = $1"

_NOTE: Final = """
    INSERT INTO journal (tenant, version, named, settled)
    SELECT $1, version, $2, $3 FROM resolvers WHERE tenant = $1"""

_SINCE: Final = "SELECT named, settled FROM journal WHERE tenant = $1 AND version > $2"


class Entry(NamedTuple):
    """One transaction: the identifiers that it learned anything new of, and those that it resolved."""

    named: frozenset[Key]
    settled: frozenset[Key]


@dataclass(frozen=True, slots=True)
class JournalRows:
    """The journal of one tenant; only whoever holds the resolver's lock may write."""

    connection: Connection
    tenant: str

    async def version(self) -> int:
        """How many transactions have held the lock, as far as this one can see: the number of the last one."""
        return await self.connection.fetchval(_VERSION, self.tenant) or 0

    async def is_open(self) -> bool:
        """Whether it is kept."""
        return bool(await self.connection.fetchval(_IS_FOLLOWED, self.tenant))

    async def open(self) -> None:
        """Let it be kept from here on."""
        await self._follow(followed=True)

    async def close(self) -> None:
        """Let it be kept no more."""
        await self._follow(followed=False)

    async def note(self, named: Collection[Key], settled: Collection[Key]) -> None:
        """Write down what this transaction did."""
        await self.connection.execute(_NOTE, self.tenant, list(named), list(settled))

    async def since(self, version: int) -> list[Entry]:
        """All that was done after a version."""
        rows = await self.connection.fetch(_SINCE, self.tenant, version)
        return [Entry(frozenset(named), frozenset(settled)) for named, settled in rows]

    async def _follow(self, *, followed: bool) -> None:
        await self.connection.execute(_EMPTY, self.tenant)
        await self.connection.execute(_FOLLOW, self.tenant, followed)
