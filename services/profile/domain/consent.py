"""Consents: what a person permits, one register for each address, channel and purpose."""

from collections.abc import Mapping
from typing import Final

import msgspec

from libs.runtime.clock import Micros
from services.profile.domain.calendar import Calendar
from services.profile.domain.interaction import ConsentSaid, ConsentState, Interaction
from services.profile.domain.registers import put
from services.profile.domain.timestamps import read_time

ConsentKey = tuple[str, str, str]
"""Address (empty: every address of the channel), channel, purpose."""
ConsentRegister = tuple[Micros, int, bytes, str, Micros]
"""When, restrictiveness, event id, basis, when it ends (`NEVER` where it does not). In this order the newest word
stands, and of two of one moment the more restrictive."""

NEVER: Final[Micros] = 2**63 - 1
SHORTHAND_PURPOSE: Final = "marketing"

_STATES: Final[tuple[ConsentState, ...]] = ("granted", "denied", "withdrawn")
_RESTRICTIVENESS: Final = {state: rank for rank, state in enumerate(_STATES)}


class ConsentStanding(msgspec.Struct, frozen=True, gc=False):
    """What the person said last; `expires_at` is None where it does not end by itself."""

    purpose: str
    channel: str
    address: str
    state: ConsentState
    basis: str
    occurred_at: Micros
    expires_at: Micros | None
    event_id: bytes


def permit(
    consents: dict[ConsentKey, ConsentRegister], said: Interaction, at: Micros, event_id: bytes, calendar: Calendar
) -> None:
    """Record the consents of an interaction; `{"sms": true}` grants marketing by sms, false withdraws it."""
    if isinstance(said.consents, dict):
        for channel, granted in said.consents.items():
            rank = _RESTRICTIVENESS["granted" if granted else "withdrawn"]
            put(consents, ("", channel, SHORTHAND_PURPOSE), (at, rank, event_id, "", NEVER))
    else:
        for consent in said.consents:
            key = (consent.address, consent.channel, consent.purpose)
            rank = _RESTRICTIVENESS[consent.state]
            put(consents, key, (at, rank, event_id, consent.basis, _end(consent, at, calendar)))


def standing_consents(consents: Mapping[ConsentKey, ConsentRegister]) -> tuple[ConsentStanding, ...]:
    """The consents by channel, purpose and address."""
    return tuple(
        ConsentStanding(purpose, channel, address, _STATES[rank], basis, at, None if end == NEVER else end, event_id)
        for (address, channel, purpose), (at, rank, event_id, basis, end) in sorted(
            consents.items(), key=lambda entry: (entry[0][1], entry[0][2], entry[0][0])
        )
    )


def dispensability(key: ConsentKey, register: ConsentRegister) -> tuple[bool, Micros, ConsentKey]:
    """What to forget last where there is too much comes first: opt-outs, then the newest.

    A forgotten opt-out would be a breach, so producers' limits bound this section and registers do not.
    """
    return register[1] == 0, -register[0], key


def _end(consent: ConsentSaid, at: Micros, calendar: Calendar) -> Micros:
    if consent.expires_at is None:
        return NEVER
    end = read_time(consent.expires_at, calendar.zone)
    if end is not None:
        return end
    # An end that can't be read must not make a permission last for ever, nor an opt-out end.
    return at if consent.state == "granted" else NEVER
