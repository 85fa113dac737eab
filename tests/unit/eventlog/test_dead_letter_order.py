"""Whatever is poison and whenever it is mended or dropped: every key is folded in order, each event once."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from libs.eventlog.event import Batch, halves
from libs.eventlog.folding import ParkingFull
from libs.eventlog.snapshots import KeyOfTenant
from libs.runtime.errors import NotFound, Unavailable
from tests.support.ledger import Ledger, Office, Place, golden, memory_office
from tests.support.logs import PARTITIONS, added, key_of

NAMES = range(7)
LIMIT = 3


@dataclass(frozen=True)
class Arrive:
    """More events of a customer."""

    name: int
    count: int


@dataclass(frozen=True)
class Fold:
    """Some events of some partitions are folded together."""

    partitions: tuple[int, ...]
    events: int


@dataclass(frozen=True)
class Spoil:
    """From now on (or until mended) an event can't be folded."""

    place: Place


@dataclass(frozen=True)
class Mend:
    """An event can be folded again."""

    place: Place


@dataclass(frozen=True)
class Retry:
    """Somebody retries a customer's letters."""

    name: int


@dataclass(frozen=True)
class Drop:
    """Somebody drops what a customer stands before."""

    name: int


@dataclass(frozen=True)
class Outage:
    """The database is gone for so many of the next calls."""

    calls: int


Act = Arrive | Fold | Spoil | Mend | Retry | Drop | Outage

names = st.sampled_from(NAMES)
places = st.tuples(st.integers(0, PARTITIONS - 1), st.integers(1, 12))
acts = st.one_of(
    st.builds(Arrive, names, st.integers(1, 4)),
    st.builds(Arrive, names, st.integers(1, 4)),
    st.builds(Fold, st.lists(st.integers(0, PARTITIONS - 1), unique=True).map(tuple), st.integers(1, 8)),
    st.builds(Fold, st.just(()), st.integers(1, 30)),
    st.builds(Spoil, places),
    st.builds(Mend, places),
    st.builds(Retry, names),
    st.builds(Drop, names),
    st.builds(Outage, st.integers(1, 3)),
)


@dataclass
class Run:
    """A history as it unfolds."""

    office: Office = field(default_factory=lambda: memory_office(LIMIT))
    dropped: dict[KeyOfTenant, set[int]] = field(default_factory=dict)

    async def take(self, act: Act) -> None:
        match act:
            case Arrive():
                await self.office.source.append([added(act.name) for _ in range(act.count)])
            case Fold():
                await self._fold(*act.partitions, events=act.events)
            case Spoil():
                self.office.book.spoiled.add(act.place)
            case Mend():
                self.office.book.spoiled.discard(act.place)
            case Retry():
                await self._retry(_key(act.name))
            case Drop():
                await self._drop(_key(act.name))
            case Outage():
                self.office.book.outage = act.calls
        await self.check()

    async def check(self) -> None:
        """At every moment: what is folded of a key is the beginning of its order, and outputs are of that only."""
        ledger, whole = await self.office.ledger(), await golden(self.office.source, self.dropped)
        for key, positions in ledger.items():
            assert positions == whole[key][: len(positions)]
        assert await self.office.outputs() == ledger
        assert (await self.office.letters.parked()).keys <= LIMIT

    async def finish(self) -> Ledger:
        """The trouble ends, the release is mended, and whatever is parked is retried."""
        self.office.book.spoiled.clear()
        self.office.book.outage = 0
        await self.office.fold(events=10_000)
        for name in NAMES:
            await self._retry(_key(name))
        return await self.office.ledger()

    async def _fold(self, *partitions: int, events: int) -> None:
        with suppress(ParkingFull, ConnectionResetError):
            await self.office.fold(*partitions, events=events)

    async def _retry(self, key: KeyOfTenant) -> None:
        with suppress(NotFound, Unavailable):
            await self.office.retry(key)

    async def _drop(self, key: KeyOfTenant) -> None:
        failed = await self.office.letters.failed(key)
        if failed is None:
            return
        try:
            await self.office.drop(key, failed.position)
        except Unavailable:
            return
        self.dropped.setdefault(key, set()).add(failed.position)


@given(history=st.lists(acts, max_size=40))
def test_whatever_is_poison_and_whenever_it_is_mended_or_dropped_each_key_is_folded_in_order(
    history: list[Act],
) -> None:
    async def check() -> None:
        run = Run()
        for act in history:
            await run.take(act)
        ledger = await run.finish()
        assert ledger == {key: kept for key, kept in (await golden(run.office.source, run.dropped)).items() if kept}
        assert await run.office.outputs() == ledger
        assert (await run.office.letters.parked()).letters == 0

    asyncio.run(check())


batches = st.lists(st.integers(1, 5), min_size=1, max_size=5).filter(lambda sizes: sum(sizes) > 1)


@given(sizes=batches)
def test_halves_hold_every_event_in_order_and_are_as_large_as_each_other(sizes: list[int]) -> None:
    whole, position = [], 1
    for size in sizes:
        whole.append(Batch(0, position, [0] * size, [str(position + n).encode() for n in range(size)]))
        position += size
    first, second = halves(whole)
    assert [data for batch in (*first, *second) for data in batch.events] == [
        str(n).encode() for n in range(1, position)
    ]
    assert abs(sum(len(batch.events) for batch in first) - sum(len(batch.events) for batch in second)) <= 1
    assert all(batch.events for batch in (*first, *second))


@given(size=st.integers(1, 9), holes=st.sets(st.integers(1, 12)))
def test_a_batch_is_split_around_holes(size: int, holes: set[int]) -> None:
    batch = Batch(3, 2, list(range(size)), [bytes([n]) for n in range(size)])
    runs = list(batch.without(sorted(holes)))
    kept = [position for run in runs for position in range(run.first_position, run.last_position + 1)]
    assert kept == [position for position in range(2, 2 + size) if position not in holes]
    assert [data for run in runs for data in run.events] == [bytes([position - 2]) for position in kept]
    assert [at for run in runs for at in run.recorded_at] == [position - 2 for position in kept]


def _key(name: int) -> KeyOfTenant:
    return "demo", key_of(name)
