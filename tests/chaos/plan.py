"""What happens in a round: it follows from its seed and from nothing else, so that a failing one can be replayed."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Final

from tests.chaos.faults import (
    ClockBack,
    ConnectionsEnded,
    ConsumersDeleted,
    DiskFull,
    Fault,
    Frozen,
    Killed,
    Log,
    Poison,
    Stopped,
    StoreWiped,
    StreamDeleted,
    StreamPurged,
    StreamRecreated,
)
from tests.chaos.stage import CONSUMERS, DATABASES, IDENTITIES, LEASE, PROFILES, TAGGINGS

REPLICAS: Final = PROFILES + CONSUMERS + IDENTITIES + TAGGINGS
LOGS: Final[tuple[Log, ...]] = ("interactions", "interactions", "identity", "tags", "counts")
CONSUMED: Final[tuple[Log, ...]] = ("interactions", "identity")  # the others have no consumer
LONG: Final = 30.0  # seconds
LONG_EVERY: Final = 40  # seeds
STRIKES_WITHIN: Final = 2.0  # seconds from the beginning of a round


@dataclass(frozen=True, slots=True)
class Strike:
    """A fault, and its moment in seconds after the beginning of the round."""

    at: float
    fault: Fault

    def __str__(self) -> str:
        return f"{self.at:.1f} s {self.fault}"


@dataclass(frozen=True, slots=True)
class Plan:
    """A round: its faults, how busily producers send and take back, and how many desks decide and whether on rules."""

    seed: int
    strikes: tuple[Strike, ...]
    producers: int
    largest_batch: int
    retracting: bool
    desks: int = 2
    publishing: bool = False

    def __str__(self) -> str:
        return f"seed {self.seed}: " + "; ".join(map(str, self.strikes))


def plan_of(seed: int) -> Plan:
    """The round of a seed; every fortieth has an outage of half a minute."""
    chance, of_desks = Random(seed), Random(f"{seed} desks")
    makers = chance.sample(MAKERS, chance.choice((1, 1, 2, 2, 3)))
    faults = [make(chance) for make in makers]
    if seed % LONG_EVERY == LONG_EVERY - 1:
        faults[0] = chance.choice((Stopped, Killed))(chance.choice(("postgres", "nats")), LONG)
    strikes = sorted((Strike(chance.uniform(0.2, STRIKES_WITHIN), fault) for fault in faults), key=lambda one: one.at)
    return Plan(
        seed,
        tuple(strikes),
        producers=chance.randint(2, 5),
        largest_batch=chance.choice((1, 6, 12)),
        retracting=chance.random() < 0.5,
        desks=of_desks.choice((1, 1, 2)),
        publishing=of_desks.random() < 0.25,
    )


def _freeze(chance: Random) -> float:
    return chance.uniform(1, 2 * LEASE + 1)  # from too short to be noticed to long enough to be succeeded


def _outage(chance: Random) -> float:
    return chance.choice((0.0, chance.uniform(1, 3)))


MAKERS: Final[tuple[Callable[[Random], Fault], ...]] = (
    lambda chance: Killed("postgres", _outage(chance)),
    lambda chance: Stopped("postgres", _outage(chance)),
    lambda chance: Killed("nats", _outage(chance)),
    lambda chance: Stopped("nats", _outage(chance)),
    lambda chance: StoreWiped(_outage(chance)),
    lambda chance: DiskFull(chance.uniform(1, 3)),
    lambda chance: StreamPurged(chance.choice(LOGS)),
    lambda chance: StreamDeleted(chance.choice(LOGS)),
    lambda chance: StreamRecreated(chance.choice(LOGS)),
    lambda chance: ConsumersDeleted(chance.choice(CONSUMED)),
    lambda chance: Killed(chance.choice(PROFILES), _outage(chance)),
    lambda chance: Stopped(chance.choice(PROFILES), _outage(chance)),
    lambda chance: Frozen(chance.choice(PROFILES), _freeze(chance)),
    lambda chance: Killed(chance.choice(CONSUMERS), _outage(chance)),
    lambda chance: Stopped(chance.choice(CONSUMERS), _outage(chance)),
    lambda chance: Frozen(chance.choice(CONSUMERS), _freeze(chance)),
    lambda chance: Killed(chance.choice(IDENTITIES), _outage(chance)),
    lambda chance: Stopped(chance.choice(IDENTITIES), _outage(chance)),
    lambda chance: Frozen(chance.choice(IDENTITIES), _freeze(chance)),
    lambda chance: Killed(chance.choice(TAGGINGS), _outage(chance)),
    lambda chance: Stopped(chance.choice(TAGGINGS), _outage(chance)),
    lambda chance: Frozen(chance.choice(TAGGINGS), _freeze(chance)),
    lambda chance: ConnectionsEnded(chance.choice(DATABASES)),
    lambda chance: Poison(chance.uniform(1, 3)),
    lambda chance: ClockBack(chance.choice(REPLICAS), chance.choice((0.5, 60.0, 7200.0)), chance.uniform(1, 3)),
)
