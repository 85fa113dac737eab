"""A portrait in words that people can compare: everything that its fingerprint covers, by field and entry."""

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from typing import Any, Final

import msgspec

from libs.runtime.clock import SECOND, Micros
from services.profile.domain.activity import NO_FIRST, NO_LAST
from services.profile.domain.consent import ConsentStanding, standing_consents
from services.profile.domain.day_counts import OLDER, DayCounts, total
from services.profile.domain.portrait import Portrait
from services.profile.domain.spending import Spending
from services.profile.domain.traits import TraitKey

_FIRST_DAY: Final = date(1970, 1, 1).toordinal()
_WEEKDAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_NEVER: Final = frozenset({NO_FIRST, NO_LAST})

Entries = dict[str, Any]


def describe(portrait: Portrait) -> dict[str, Entries]:
    """Field → entry → JSON value; a field that is one value has the entry "". Amounts are minor units, times UTC."""
    return {
        "interactions": {"": portrait.interactions},
        "first_seen_at": {"": _moment(portrait.first_seen)},
        "last_seen_at": {"": _moment(portrait.last_seen)},
        "traits": {_trait(key): msgspec.json.decode(value) for key, (_, _, value) in portrait.traits.items()},
        "traits.said": {_trait(key): _said(at, event_id) for key, (at, event_id, _) in portrait.traits.items()},
        "identifiers.last_seen_at": {":".join(key): _moment(at) for key, at in portrait.seen.items()},
        "identifiers.verified_at": {":".join(key): _moment(at) for key, at in portrait.proven.items()},
        "activity.count": {name: total(known.days) for name, known in portrait.activity.items()},
        "activity.first_at": {name: _moment(known.first) for name, known in portrait.activity.items()},
        "activity.last_at": {name: _moment(known.last) for name, known in portrait.activity.items()},
        "activity.days": _days((name, known.days) for name, known in portrait.activity.items()),
        **_spending(portrait.spending),
        "affinities.weight": {
            f"{dimension} {key}": total(days)
            for dimension, known in portrait.affinities.items()
            for key, days in known.items()
        },
        "affinities.days": _days(
            (f"{dimension} {key}", days)
            for dimension, known in portrait.affinities.items()
            for key, days in known.items()
        ),
        "active_hours": {f"{_WEEKDAYS[hour // 24]} {hour % 24:02}:00": count for hour, count in portrait.hours.items()},
        "recent": {_said(at, event_id): f"{name} ({source})" for at, event_id, name, source in portrait.recent},
        "consents": {_consent(one): _permitted(one) for one in standing_consents(portrait.consents)},
        "consents.said": {
            _consent(one): _said(one.occurred_at, one.event_id) for one in standing_consents(portrait.consents)
        },
        "ignored": dict(portrait.ignored),
        "trimmed": dict(portrait.trimmed),
    }


def _spending(spending: Mapping[str, Spending]) -> dict[str, Entries]:
    each = spending.items()
    return {
        "spending.orders": {currency: total(known.orders) for currency, known in each},
        "spending.total": {currency: total(known.minor) for currency, known in each},
        "spending.refunded": {currency: known.refunded for currency, known in each},
        "spending.largest": {currency: known.largest[0] for currency, known in each if known.orders},
        "spending.largest_event": {currency: known.largest[1].hex() for currency, known in each if known.orders},
        "spending.first_at": {currency: _moment(known.first) for currency, known in each},
        "spending.last_at": {currency: _moment(known.last) for currency, known in each},
        "spending.orders_by_day": _days((currency, known.orders) for currency, known in each),
        "spending.total_by_day": _days((currency, known.minor) for currency, known in each),
    }


def _days(counts: Iterable[tuple[str, DayCounts]]) -> Entries:
    return {f"{name} {_day(day)}": count for name, days in counts for day, count in days.items()}


def _day(day: int) -> str:
    return "earlier" if day == OLDER else date.fromordinal(_FIRST_DAY + day).isoformat()


def _moment(at: Micros) -> str | None:
    """None for what never was; as a number what no calendar reaches."""
    if at in _NEVER:
        return None
    try:
        when = datetime.fromtimestamp(at // SECOND, UTC).replace(microsecond=at % SECOND)
    except (ValueError, OverflowError, OSError):
        return str(at)
    return when.isoformat().replace("+00:00", "Z")


def _said(at: Micros, event_id: bytes) -> str:
    return f"{_moment(at)} {event_id.hex()}"


def _trait(key: TraitKey) -> str:
    name, source, verified = key
    return f"{name} by {source}{', verified' if verified else ''}"


def _consent(one: ConsentStanding) -> str:
    return f"{one.purpose} by {one.channel} {one.address}".rstrip()


def _permitted(one: ConsentStanding) -> str:
    basis = f", {one.basis}" if one.basis else ""
    return f"{one.state}{basis}" + ("" if one.expires_at is None else f" until {_moment(one.expires_at)}")
