"""A portrait in words that people can compare: everything that its fingerprint covers, by field and entry."""

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from typing import Any, Final

import msgspec

from libs.runtime.clock import SECOND, Micros
from services.profile.domain.activity import NO_FIRST, NO_LAST
from services.profile.domain.consent import standing_consents
from services.profile.domain.day_counts import OLDER, DayCounts, total
from services.profile.domain.portrait import Portrait
from services.profile.domain.spending import Spending

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
        "traits": {
            f"{name} by {source}{', verified' if verified else ''}": msgspec.json.decode(value)
            for (name, source, verified), (_, _, value) in portrait.traits.items()
        },
        "identifiers.last_seen_at": {" ".join(key): _moment(at) for key, at in portrait.seen.items()},
        "identifiers.verified_at": {" ".join(key): _moment(at) for key, at in portrait.proven.items()},
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
        "recent": {
            f"{_moment(at)} {event_id.hex()}": f"{name} ({source})" for at, event_id, name, source in portrait.recent
        },
        "consents": {
            f"{one.purpose} by {one.channel} {one.address}".rstrip(): _until(one.state, one.expires_at)
            for one in standing_consents(portrait.consents)
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
        return datetime.fromtimestamp(at / SECOND, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    except (ValueError, OverflowError, OSError):
        return str(at)


def _until(state: str, expires_at: Micros | None) -> str:
    return state if expires_at is None else f"{state} until {_moment(expires_at)}"
