"""What has been seen: which identifiers, which of them together, and who logged in within which session.

Evidence is a fold in which order can't be seen: `combine` is associative and commutative, and everything that decides
who is who is moreover idempotent (`count` is not, and decides nothing). So it may be folded for each anchor apart and
combined, and taking an interaction back is folding its anchor again without it. It knows no rules, so that new rules
need no new evidence; and it contradicts itself freely: `resolution` is where contradictions end.
"""

from itertools import combinations, permutations
from typing import NamedTuple

import msgspec

from libs.people.identifiers import DAY
from libs.people.spans import Span, in_session
from libs.runtime.clock import Micros

Key = bytes
"""An identifier's 16-byte key."""
Pair = tuple[Key, Key]
"""Two identifiers, the smaller key first."""
Login = tuple[Key, Span, Key]
"""An identifier, a session of it, and an identifier that was logged in there."""


class Named(msgspec.Struct, frozen=True, gc=False):
    """An identifier as one interaction carried it; `verified` where the producer had proof of it."""

    key: Key
    type: str
    verified: bool = False


class Sighting(msgspec.Struct, frozen=True, gc=False):
    """An interaction as far as it says who is who; `login` if it was an `identify`."""

    event_id: bytes
    occurred_at: Micros
    recorded_at: Micros
    identifiers: tuple[Named, ...]
    source: str = ""
    session: str = ""
    login: bool = False


class Sight(NamedTuple):
    """One moment of seeing. The earlier one is smaller, and those of two interactions are never equal."""

    occurred_at: Micros
    event_id: bytes
    recorded_at: Micros
    source: str = ""
    session: str = ""


class Seen(NamedTuple):
    """When an identifier was recorded for the first time, which is what founds people."""

    recorded_at: Micros
    type: str


class Together(msgspec.Struct, frozen=True, gc=False):
    """Everything known of two identifiers having been seen together.

    `proofs` are the sights at which the identifier of the smaller key came with proof, and those at which the other one
    did, ascending; of each day (UTC) the first and the last, because an address that goes to and fro ends where it was
    bound last, and a producer that verifies at each click must not fill the store.
    """

    first: Sight
    last: Sight
    count: int = 1
    proofs: tuple[tuple[Sight, ...], tuple[Sight, ...]] = ((), ())


class Evidence(msgspec.Struct):
    """All evidence, or that of one anchor, or that around some identifiers."""

    seen: dict[Key, Seen] = {}
    pairs: dict[Pair, Together] = {}
    logins: dict[Login, Sight] = {}


def pair(a: Key, b: Key) -> Pair:
    """Two identifiers in the order that names them."""
    return (a, b) if a < b else (b, a)


def observed(sighting: Sighting) -> Evidence:
    """The evidence that one interaction is."""
    if len(sighting.identifiers) == 1:  # as nearly always, and a good deal faster
        (one,) = sighting.identifiers
        return Evidence({one.key: Seen(sighting.recorded_at, one.type)})
    evidence = Evidence()
    named = sorted(sighting.identifiers, key=lambda one: (one.key, not one.verified))
    verified: dict[Key, bool] = {}
    for one in named:
        verified.setdefault(one.key, one.verified)
        evidence.seen[one.key] = Seen(sighting.recorded_at, one.type)
    sight = Sight(sighting.occurred_at, sighting.event_id, sighting.recorded_at, sighting.source, sighting.session)
    for both in combinations(verified, 2):
        low, high = ((sight,) if verified[key] else () for key in both)
        evidence.pairs[both] = Together(sight, sight, 1, (low, high))
    if sighting.login and sighting.session:
        session = in_session(sighting.session)
        for key, account in permutations(verified, 2):
            evidence.logins[key, session, account] = sight
    return evidence


def combine(into: Evidence, more: Evidence) -> None:
    """Add evidence to evidence, the first of which changes."""
    for key, seen in more.seen.items():
        into.seen[key] = min(seen, into.seen.get(key, seen))
    for both, together in more.pairs.items():
        known = into.pairs.get(both)
        into.pairs[both] = union(known, together) if known else together
    for login, sight in more.logins.items():
        into.logins[login] = min(sight, into.logins.get(login, sight))


def union(a: Together, b: Together) -> Together:
    """All that is known of a pair by two parts of its evidence."""
    proofs = a.proofs
    if any(proofs) or any(b.proofs):
        proofs = (_of_each_day(a.proofs[0], b.proofs[0]), _of_each_day(a.proofs[1], b.proofs[1]))
    return Together(min(a.first, b.first), max(a.last, b.last), a.count + b.count, proofs)


def _of_each_day(a: tuple[Sight, ...], b: tuple[Sight, ...]) -> tuple[Sight, ...]:
    """The first and the last sight of each day, ascending."""
    if not a or not b:
        return a or b
    first: dict[int, Sight] = {}
    last: dict[int, Sight] = {}
    for sight in sorted({*a, *b}):
        first.setdefault(sight.occurred_at // DAY, sight)
        last[sight.occurred_at // DAY] = sight
    return tuple(sorted({*first.values(), *last.values()}))
