"""Which knowledge a read rests on, and waiting until it is there."""

import asyncio
from dataclasses import dataclass
from typing import Final

import msgspec

from libs.eventlog.barrier import Barrier
from libs.eventlog.log import LogReader
from libs.runtime.errors import FailedPrecondition, InvalidArgument

HEAD_POLL_SECONDS: Final = 0.1
REACH_SECONDS: Final = 10.0


class Moment(msgspec.Struct, frozen=True):
    """Which knowledge a read rests on; times in microseconds, None where there is no bound."""

    as_of: int | None = None
    known_at: int | None = None
    at_least: tuple[int, int] | None = None
    identified: bool = False

    @property
    def past(self) -> bool:
        """Whether anything is left out that is known now."""
        return self.as_of is not None or self.known_at is not None


NOW: Final = Moment()


@dataclass(frozen=True, slots=True)
class Reaching:
    """Waits for positions of the log, and for what the identity service, if there is one, makes of them."""

    log: LogReader
    identified: Barrier | None = None

    async def reach(self, moment: Moment) -> None:
        """Wait, for a while, until the log holds a position. What it holds, every read contains.

        Raises `InvalidArgument`, `FailedPrecondition`, `TimeoutError`, and `Unavailable` where the identity service is.
        """
        if moment.at_least is None:
            return
        partition, position = moment.at_least
        if moment.identified and self.identified is None:
            raise FailedPrecondition("IDENTITY_NOT_AVAILABLE", "`identified` needs the identity service")
        if partition >= self.log.partitions:
            raise InvalidArgument("at.at_least.partition", f"the log has {self.log.partitions} partitions")
        async with asyncio.timeout(REACH_SECONDS):
            while (await self.log.heads())[partition] < position:  # noqa: ASYNC110  it may be another replica's append
                await asyncio.sleep(HEAD_POLL_SECONDS)
            if moment.identified and self.identified is not None:
                await self.identified.reach(partition, position)
