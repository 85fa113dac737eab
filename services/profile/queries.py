"""What the profile service answers: portraits, now and as of then, and timelines."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import msgspec

from libs.eventlog.event import Recorded
from libs.eventlog.living import LivingProjection
from libs.eventlog.log import Log
from libs.eventlog.projection import Folded, blanked_positions, retracted_positions
from libs.eventlog.watch import Watch
from libs.people.anchor import Anchoring
from libs.people.identifiers import Claimed
from libs.runtime.errors import FailedPrecondition, InvalidArgument, NotFound
from services.profile.domain.calendar import Calendar
from services.profile.domain.event_names import event_name
from services.profile.domain.interaction import read_interaction
from services.profile.domain.portrait import Portrait
from services.profile.projections import INTERACTION_RECORDED, calendar_of

HEAD_POLL_SECONDS: Final = 0.1
REACH_SECONDS: Final = 10.0


class Moment(msgspec.Struct, frozen=True):
    """Which knowledge a read rests on; times in microseconds, None where there is no bound."""

    as_of: int | None = None
    known_at: int | None = None
    at_least: tuple[int, int] | None = None
    identified: bool = False


NOW: Final = Moment()


class TimelineCursor(msgspec.Struct, frozen=True, array_like=True):
    """Where a page of a timeline ended."""

    occurred_at: int
    position: int


class Seen(NamedTuple):
    """States of keys, and the calendar that their days are counted by."""

    calendar: Calendar
    states: list[Folded[Portrait]]


@dataclass(frozen=True, slots=True)
class People:
    """Names of people become the keys that their interactions are filed under. Until identities are resolved, an
    anchor is a person, so an identifier finds whoever it anchors.
    """

    anchorings: Mapping[str, Anchoring]

    def key(self, tenant: str, identifier: Claimed, field: str) -> bytes:
        """Key of an identifier; raises `InvalidArgument` if it can name nobody."""
        identified, refused = self.anchorings[tenant].identify([identifier])
        if refused:
            raise InvalidArgument(field, f"{refused[0].type} names nobody: {refused[0].reason}", refused[0].reason)
        return identified[0].key

    def normal(self, tenant: str, type_: str, value: str) -> str | None:
        """The normal form of an identifier's value; None if it can name nobody."""
        identified, _ = self.anchorings[tenant].identify([Claimed(type_, value)])
        return identified[0].value if identified else None


@dataclass(frozen=True, slots=True)
class Portraits:
    """Reads portraits and timelines of one tenant at a time; keys are 16 bytes."""

    log: Log
    living: LivingProjection[Portrait]
    watch: Watch

    async def get(self, tenant: str, keys: Sequence[bytes], moment: Moment = NOW) -> Seen:
        """States in the order of the keys, all of one version; position 0 where nothing is known."""
        if moment.at_least is not None:
            await self._reach(moment)
        wanted = [(tenant, key) for key in keys]
        if moment.as_of is None and moment.known_at is None:
            version, states = await self.living.read(wanted)
        else:
            version, states = await self.living.read_at(wanted, as_of=moment.as_of, known_at=moment.known_at)
        return Seen(calendar_of(version, tenant), states)

    async def timeline(
        self,
        tenant: str,
        key: bytes,
        moment: Moment = NOW,
        *,
        events: frozenset[str] = frozenset(),
        behind: TimelineCursor | None = None,
        limit: int,
    ) -> list[Recorded]:
        """A key's standing interactions, newest first; raises `NotFound` for a key that the log has nothing of.

        `events` names those wanted, empty means all; `behind` continues a former page.
        """
        if moment.at_least is not None:
            await self._reach(moment)
        log = await self.log.read_key(tenant, key)
        if not log:
            raise NotFound("person", key.hex())
        blanked = blanked_positions(log)
        if moment.known_at is not None:
            log = [one for one in log if one.recorded_at <= moment.known_at]
        gone = blanked | retracted_positions(log)
        standing = [
            one
            for one in log
            if one.event.type == INTERACTION_RECORDED
            and one.event.payload
            and one.position not in gone
            and (moment.as_of is None or one.event.occurred_at_micros <= moment.as_of)
            and (behind is None or _when(one) < (behind.occurred_at, behind.position))
            and (not events or event_name(read_interaction(one.event.payload)) in events)
        ]
        return sorted(standing, key=_when, reverse=True)[:limit]

    async def changes(self, tenant: str, key: bytes) -> AsyncIterator[Seen]:
        """The state of a key now and after every change, until the caller leaves."""
        async with self.watch.changes((tenant, key)) as changed:
            while True:
                changed.clear()
                yield await self.get(tenant, [key])
                await changed.wait()

    async def _reach(self, moment: Moment) -> None:
        """Wait, for a while, until the log holds a position. What it holds, every read contains."""
        if moment.identified:
            raise FailedPrecondition("IDENTITY_NOT_AVAILABLE", "`identified` needs the identity service")
        partition, position = moment.at_least or (0, 0)
        if partition >= self.log.partitions:
            raise InvalidArgument("at.at_least.partition", f"the log has {self.log.partitions} partitions")
        async with asyncio.timeout(REACH_SECONDS):
            while (await self.log.heads())[partition] < position:  # noqa: ASYNC110  it may be another replica's append
                await asyncio.sleep(HEAD_POLL_SECONDS)


def _when(recorded: Recorded) -> tuple[int, int]:
    return recorded.event.occurred_at_micros, recorded.position
