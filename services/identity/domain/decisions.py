"""What people decided about who is who: these two belong together, those never, and this one names nobody.

A decision goes before everything that was seen: no later sighting overrides it, and undoing it leaves no trace in who
is who. Each subject has one register, in which the decision recorded last stands, whatever the order of arrival.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple, TypeVar, assert_never

import msgspec

from libs.runtime.clock import Micros
from libs.runtime.errors import InvalidArgument
from services.identity.domain.evidence import Key, Pair, pair

Subject = TypeVar("Subject", Pair, Key)


class Of(msgspec.Struct, frozen=True, gc=False):
    """An identifier that a decision is about; it need not have been seen."""

    key: Key
    type: str


class Decision(msgspec.Struct, frozen=True, gc=False):
    """What all decisions carry: which event, when it was recorded, who decided and why."""

    event_id: bytes
    recorded_at: Micros
    by: str = ""
    note: str = ""


class Linked(Decision, frozen=True, gc=False, kw_only=True):
    """These two belong to one person, as far as limits and forbidden pairs allow."""

    a: Of
    b: Of


class Unlinked(Decision, frozen=True, gc=False, kw_only=True):
    """That these two were seen together says nothing; only an address verified anew after this links them again."""

    a: Of
    b: Of


class LinkLeft(Decision, frozen=True, gc=False, kw_only=True):
    """Whether these two are linked is left to what is seen, as it was before anybody decided."""

    a: Of
    b: Of


class Forbidden(Decision, frozen=True, gc=False, kw_only=True):
    """These two are never one person."""

    a: Of
    b: Of


class Allowed(Decision, frozen=True, gc=False, kw_only=True):
    """These two may be one person again."""

    a: Of
    b: Of


class Blocked(Decision, frozen=True, gc=False, kw_only=True):
    """This identifier names nobody."""

    identifier: Of


class Unblocked(Decision, frozen=True, gc=False, kw_only=True):
    """This identifier names somebody again."""

    identifier: Of


IdentityDecision = Linked | Unlinked | LinkLeft | Forbidden | Allowed | Blocked | Unblocked


class Register(NamedTuple):
    """The last decision about a subject; greater is later, and no two decisions are equal."""

    recorded_at: Micros
    event_id: bytes
    stands: str


LINKED: Final = "linked"
UNLINKED: Final = "unlinked"
FORBIDDEN: Final = "forbidden"
BLOCKED: Final = "blocked"
NOTHING: Final = "nothing"
"""What stands where a decision was undone; the register stays, so that a late older decision does not come back."""


class Decisions(msgspec.Struct):
    """Every register, also those where nothing stands any more, and the types of the identifiers decided about."""

    links: dict[Pair, Register] = {}
    forbidden: dict[Pair, Register] = {}
    blocked: dict[Key, Register] = {}
    types: dict[Key, str] = {}


def evolve(decisions: Decisions, event: IdentityDecision) -> None:
    """Fold one decision, in whichever order they come; the registers change."""
    match event:
        case Linked():
            _decide_pair(decisions, decisions.links, event, LINKED)
        case Unlinked():
            _decide_pair(decisions, decisions.links, event, UNLINKED)
        case LinkLeft():
            _decide_pair(decisions, decisions.links, event, NOTHING)
        case Forbidden():
            _decide_pair(decisions, decisions.forbidden, event, FORBIDDEN)
        case Allowed():
            _decide_pair(decisions, decisions.forbidden, event, NOTHING)
        case Blocked():
            _put(decisions.blocked, event.identifier.key, event, BLOCKED)
            decisions.types[event.identifier.key] = event.identifier.type
        case Unblocked():
            _put(decisions.blocked, event.identifier.key, event, NOTHING)
            decisions.types[event.identifier.key] = event.identifier.type
        case _:
            assert_never(event)


def subjects(event: IdentityDecision) -> tuple[Of, ...]:
    """The identifiers that a decision is about."""
    return (event.identifier,) if isinstance(event, Blocked | Unblocked) else (event.a, event.b)


def decide(decisions: Decisions, wanted: IdentityDecision) -> list[IdentityDecision]:
    """What a wanted decision leads to; nothing where it stands already. Raises `InvalidArgument`."""
    match wanted:
        case Linked() | Unlinked():
            # Deciding it anew is news: the newer decision also covers the proofs that came in since.
            news = bool(_two(wanted))
        case LinkLeft():
            news = _standing(decisions.links, _two(wanted)) != NOTHING
        case Forbidden() | Allowed():
            news = (_standing(decisions.forbidden, _two(wanted)) == FORBIDDEN) != isinstance(wanted, Forbidden)
        case Blocked() | Unblocked():
            stands = _standing(decisions.blocked, wanted.identifier.key)
            news = (stands == BLOCKED) != isinstance(wanted, Blocked)
        case _:
            assert_never(wanted)
    return [wanted] if news else []


def _two(event: Linked | Unlinked | LinkLeft | Forbidden | Allowed) -> Pair:
    if event.a.key == event.b.key:
        raise InvalidArgument("b", "is the same identifier as a: this decision is about two")
    return pair(event.a.key, event.b.key)


def _standing(registers: Mapping[Subject, Register], subject: Subject) -> str:
    return registers[subject].stands if subject in registers else NOTHING


def _decide_pair(
    decisions: Decisions,
    registers: dict[Pair, Register],
    event: Linked | Unlinked | LinkLeft | Forbidden | Allowed,
    stands: str,
) -> None:
    _put(registers, pair(event.a.key, event.b.key), event, stands)
    decisions.types[event.a.key] = event.a.type
    decisions.types[event.b.key] = event.b.type


def _put(registers: dict[Subject, Register], subject: Subject, event: Decision, stands: str) -> None:
    new = Register(event.recorded_at, event.event_id, stands)
    registers[subject] = max(new, registers.get(subject, new))
