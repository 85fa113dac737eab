"""What was promised, whatever happens: checked against one pass over the log."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from portrait.log.v1 import event_pb2 as pb

from libs.eventlog.dead_letters import Kind
from libs.eventlog.event import NewEvent
from libs.eventlog.lazy import LazyReader
from libs.eventlog.projection import Folded
from tests.simulation import golden
from tests.simulation.golden import Key
from tests.simulation.world import World
from tests.support.tally import Tally

Place = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Answer:
    """What was said to have been known of a key at a moment (microseconds)."""

    key: Key
    known_at: int
    said: golden.Expected


class Broken(AssertionError):
    """A promise was not kept."""


async def everything(world: World, acknowledged: Mapping[bytes, Place], keys: list[Key]) -> None:
    """Hold all of a world against its log, when nothing happens any more."""
    log(world, acknowledged)
    ledger(world)
    outputs(world)
    horizons(world)
    await snapshots(world, keys)


def log(world: World, acknowledged: Mapping[bytes, Place]) -> None:
    """What was acknowledged stands where it was said to; no id twice; `recorded_at` never runs back."""
    events = golden.whole(world.log)
    ids = Counter(event.id for run in events.values() for event in run)
    if twice := [id_ for id_, times in ids.items() if times > 1]:
        raise Broken(f"{twice[0].hex()} is in the log {ids[twice[0]]} times")
    for id_, (partition, position) in acknowledged.items():
        run = events[partition]
        if not 0 < position <= len(run) or run[position - 1].id != id_:
            raise Broken(f"{id_.hex()} was acknowledged at {partition}:{position}, and is not there")
    for times in world.log._times:
        if times != sorted(times):
            raise Broken("recorded_at ran back")


def ledger(world: World) -> None:
    """Every event of a key was counted once and in order, up to its first dead letter; those behind it are letters.

    What was dropped is neither.
    """
    letters = world.letters.rows()
    dropped = {(one.partition, one.position) for one in letters if one.kind is Kind.DROPPED}
    parked = [one for one in letters if one.kind is not Kind.DROPPED]
    due = golden.ids(world.log, without=dropped)
    had = {key: list(ids) for key, ids in world.ledger.counted.items() if ids}
    kinds: dict[bytes, list[Kind]] = {}
    for one in parked:
        had.setdefault(one.key, []).append(pb.Event.FromString(one.event).id)
        kinds.setdefault(one.key, []).append(one.kind)
    if had != due:
        raise Broken(f"counted or parked {_short(had)}, but the log has {_short(due)}")
    if wrong := [run for run in kinds.values() if run[0] is not Kind.FAILED or Kind.FAILED in run[1:]]:
        raise Broken(f"a key does not stand before its first letter: {wrong[0]}")


def outputs(world: World) -> None:
    """From every event that was counted, and from nothing else, was concluded once, and in order."""
    concluded: dict[bytes, list[tuple[bytes, int]]] = {}
    for events in golden.whole(world.ledger.log).values():
        for event in events:
            concluded.setdefault(event.key, []).append((event.causation_id, int(event.payload)))
    expected = {key: [(id_, count) for count, id_ in enumerate(ids, 1)] for key, ids in world.ledger.counted.items()}
    if concluded != {key: outputs for key, outputs in expected.items() if outputs}:
        raise Broken("outputs are not one for each event that was counted, in their order")


def mended(world: World) -> None:
    """Nothing is parked any more, so that all but what was dropped is counted."""
    ledger(world)
    outputs(world)
    if left := [one for one in world.letters.rows() if one.kind is not Kind.DROPPED]:
        raise Broken(f"{left[0].partition}:{left[0].position} is still parked")


def horizons(world: World) -> None:
    """Behind the horizon there is nothing that no snapshot holds, at no moment."""
    for partition, horizon in world.horizons._positions.items():
        for position, key in enumerate(world.log.keys(partition, 0, horizon), 1):
            row = world.snapshots.row(key)
            if row is None or (row.parked is None and row.position < position):
                raise Broken(f"{partition}:{position} lies behind the horizon, and in no snapshot")


async def snapshots(world: World, keys: list[Key]) -> None:
    """A read is the golden fold before compaction and after it, and so is what compaction stores."""
    parts = world.parts
    reader = parts.reader(parts.projection, world.log, world.snapshots)
    await _reads(world, reader, keys)
    compactor = parts.compactor(
        reader, world.horizons, world.metrics, parked_keys=world.parked_keys, timer=world.loop.time
    )
    compactor.request(keys)
    await compactor.compact_all()
    await _reads(world, reader, keys)
    for key in keys:
        events, row = world.log.events_of(*key), world.snapshots.row(key)
        full = golden.tally(events).parked_at and (row is None or row.parked is None)
        if not events or (full and len(world.snapshots.parked()) >= world.parked_keys):
            continue
        if row is None or (row.parked is None and row.position != events[-1].position):
            raise Broken(f"{_name(key)} was not compacted to its end")
        stored = seen(Folded(parts.projection.decode(row.state), parked=row.parked))
        if stored != golden.tally(events):
            raise Broken(f"the snapshot of {_name(key)} is {stored}, but the log says {golden.tally(events)}")


async def read(world: World, key: Key, folded: Folded[Tally], before: int) -> None:
    """An answer is the truth of some moment since the log held `before` events of the key."""
    events = await world.log.read_key(*key)
    answer = seen(folded)
    if all(golden.tally(events[:known]) != answer for known in range(before, len(events) + 1)):
        raise Broken(f"{_name(key)} was read as {answer}, but is {golden.tally(events)}")


async def hindsight(world: World, answers: Iterable[Answer]) -> None:
    """What was said to have been known at a moment is what the log of the end says of that moment."""
    for answer in answers:
        known = [one for one in await world.log.read_key(*answer.key) if one.recorded_at <= answer.known_at]
        if golden.tally(known) != answer.said:
            raise Broken(f"{_name(answer.key)} was said to have been {answer.said}, but was {golden.tally(known)}")


def acknowledgement(acknowledged: dict[bytes, Place], event: NewEvent, place: Place) -> None:
    """However often an event is sent, it is said to stand in the same place."""
    if (first := acknowledged.setdefault(event.id, place)) != place:
        raise Broken(f"{event.id.hex()} was acknowledged at {first}, and now at {place}")


def seen(folded: Folded[Tally]) -> golden.Expected:
    """An answer, in the terms of the golden fold."""
    parked = folded.parked
    return golden.Expected(folded.state.total, tuple(folded.state.positions), parked.recorded.position if parked else 0)


async def _reads(world: World, reader: LazyReader[Tally], keys: list[Key]) -> None:
    for key, folded in zip(keys, await reader.read(keys), strict=True):
        await read(world, key, folded, len(await world.log.read_key(*key)))


def _short(counted: Mapping[bytes, Sequence[bytes]]) -> dict[str, list[str]]:
    return {key.hex()[:4]: [id_.hex()[:4] for id_ in ids] for key, ids in counted.items()}


def _name(key: Key) -> str:
    return key[1].hex()[:4]
