"""A projection is a declaration: what it is called, which events it handles, and how they change its state.

Folding is pure. A lazy projection's state of a key is snapshot + the log behind it; what does not commute (a
retraction, an erasure) is handled by folding the key's whole log again.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any, Final, Generic, TypeVar

from portrait.log.v1 import event_pb2 as pb

from libs.eventlog.event import Recorded

State = TypeVar("State")

RETRACTED: Final = "retracted"
BLANKED: Final = "blanked"
_CHANGES_THE_PAST: Final = frozenset({RETRACTED, BLANKED})

Upcast = Callable[[bytes], bytes]

Description = Mapping[str, Mapping[str, Any]]
"""What a state says, for people: field → entry → JSON value; a field that is a single value has the entry ""."""


async def _nothing_to_prepare(_: "Sequence[Recorded]") -> None:
    pass


@dataclass(frozen=True, slots=True)
class Handled(Generic[State]):
    """How one type of event changes the state.

    `evolve` may change the state given and returns it. `upcasts[v]` turns a payload of version v into one of v + 1;
    an event newer than `version` can't be folded by this release and is parked.
    """

    version: int
    evolve: Callable[[State, Recorded], State]
    upcasts: Mapping[int, Upcast] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LazyProjection(Generic[State]):
    """A projection over a service's own log that writes nothing per event: a read folds the tail onto a snapshot.

    `evolve` and `combine` form a commutative monoid with `initial()` as identity. A state that is `overfull` is folded
    anew from the whole log and bounded by `trim` before compaction stores it; `trimmed` says that it once was, so that
    it is the same as another only after a refold. `prepare` fetches what folding the events given will look up.
    Equal states have equal fingerprints (16 bytes, by default of the encoded state) and equal descriptions.
    """

    name: str
    version: int
    snapshots: str
    handles: Mapping[str, Handled[State]]
    initial: Callable[[], State]
    combine: Callable[[State, State], State]
    encode: Callable[[State], bytes]
    decode: Callable[[bytes], State]
    overfull: Callable[[State], bool] = lambda _: False
    trim: Callable[[State], None] = lambda _: None
    trimmed: Callable[[State], bool] = lambda _: False
    prepare: Callable[[Sequence[Recorded]], Awaitable[None]] = _nothing_to_prepare
    fingerprint: Callable[[State], bytes] | None = None
    describe: Callable[[State], Description] | None = None

    def hash(self, state: State) -> bytes:
        """The fingerprint of a state."""
        if self.fingerprint is not None:
            return self.fingerprint(state)
        return blake2b(self.encode(state), digest_size=16).digest()

    def describes(self, state: State) -> Description:
        """What a state says."""
        return self.describe(state) if self.describe is not None else {"state": {"": self.encode(state).hex()}}


@dataclass(frozen=True, slots=True)
class Parked:
    """The event that a key's fold can't take, and why."""

    recorded: Recorded
    cause: str


@dataclass(slots=True)
class Folded(Generic[State]):
    """State of one key up to a position; `recorded_at` is that of the newest event folded."""

    state: State
    position: int = 0
    recorded_at: int = 0
    parked: Parked | None = None


class NewerEventError(Exception):
    """An event of a version that this release does not know."""

    def __init__(self, event_type: str, version: int, known: int) -> None:
        super().__init__(f"{event_type} has version {version}; this release knows up to {known}")


def fold(
    projection: LazyProjection[State], begin: Callable[[], Folded[State]], events: Sequence[Recorded]
) -> Folded[State]:
    """Fold events, in order of position, onto what `begin` makes; stops before the first that fails."""
    handles = projection.handles
    onto = begin()
    state = onto.state
    for index, recorded in enumerate(events):
        event = recorded.event
        handled = handles.get(event.type)
        if handled is not None:
            try:
                current = recorded if event.version == handled.version else _upcast(recorded, handled)
                state = handled.evolve(state, current)
            except Exception as error:  # noqa: BLE001  whatever fails, the key must stand still before it, and be seen
                before = fold(projection, begin, events[:index])  # this state may have been changed half-way
                before.parked = Parked(recorded, f"{type(error).__name__}: {error}")
                return before
    if events:
        last = events[-1]
        onto.state, onto.position, onto.recorded_at = state, last.position, last.recorded_at
    return onto


def refold(
    projection: LazyProjection[State],
    events: Sequence[Recorded],
    *,
    as_of: int | None = None,
    known_at: int | None = None,
) -> Folded[State]:
    """Fold a key's whole log, as if what was retracted had never been sent; for the bounds see `standing`."""
    those = standing(events, as_of=as_of, known_at=known_at)
    folded = fold(projection, lambda: Folded(projection.initial()), those)
    known = _known(events, known_at)
    if folded.parked is None and known:
        folded.position, folded.recorded_at = known[-1].position, known[-1].recorded_at
    return folded


def standing(
    events: Sequence[Recorded], *, as_of: int | None = None, known_at: int | None = None
) -> Sequence[Recorded]:
    """What of a key's whole log was neither taken back nor erased, in its order.

    `as_of` bounds occurred_at, `known_at` bounds recorded_at (both in microseconds, inclusive); retractions always
    apply to `as_of`, and by their recorded_at to `known_at`. What was blanked was never known, whether or not its
    payload is gone already.
    """
    changes = _changes_of_the_past(events)
    gone = blanked_positions(changes) | retracted_positions(_known(changes, known_at))
    known = _known(events, known_at)
    if gone:
        known = [recorded for recorded in known if recorded.position not in gone]
    return known if as_of is None else [one for one in known if one.event.occurred_at_micros <= as_of]


def _known(events: Sequence[Recorded], known_at: int | None) -> Sequence[Recorded]:
    return events if known_at is None else [recorded for recorded in events if recorded.recorded_at <= known_at]


def bounded(projection: LazyProjection[State], refolded: Folded[State]) -> Folded[State]:
    """What was folded from a key's whole log, as it may be stored."""
    if projection.overfull(refolded.state):
        projection.trim(refolded.state)
    return refolded


def needs_refold(tail: Sequence[Recorded]) -> bool:
    """Whether a tail holds something that changes what was folded before it."""
    return bool(_changes_of_the_past(tail))


def _changes_of_the_past(events: Iterable[Recorded]) -> list[Recorded]:
    return [recorded for recorded in events if recorded.event.type in _CHANGES_THE_PAST]


def retracted_positions(events: Iterable[Recorded]) -> frozenset[int]:
    """Positions that the events of a key take back."""
    return frozenset(
        position
        for recorded in events
        if recorded.event.type == RETRACTED
        for position in pb.Retracted.FromString(recorded.event.payload).positions
    )


def blanked_positions(events: Iterable[Recorded]) -> frozenset[int]:
    """Positions that the events of a key erase."""
    return frozenset(
        position
        for recorded in events
        if recorded.event.type == BLANKED
        for position in pb.Blanked.FromString(recorded.event.payload).positions
    )


def _upcast(recorded: Recorded, handled: Handled[State]) -> Recorded:
    """The event in the version that its handler knows."""
    version = recorded.event.version
    if version > handled.version:
        raise NewerEventError(recorded.event.type, version, handled.version)
    event = pb.Event()
    event.CopyFrom(recorded.event)
    while event.version < handled.version:
        event.payload = handled.upcasts[event.version](event.payload)
        event.version += 1
    return Recorded(recorded.position, recorded.recorded_at, event)
