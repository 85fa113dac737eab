"""How times, amounts and numbers are read and written at the command line."""

import json
from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from libs.cli.errors import BadInput
from libs.runtime.clock import SECOND, Micros
from libs.runtime.currencies import exponent_of

MINUTE, HOUR, DAY = 60, 3_600, 86_400
NOTHING_THEN = "nothing had been decided by then: no definition decides anything before it is published"


def moment(when: Timestamp, zone: tzinfo) -> str:
    """A time in a zone, with its offset: `2026-03-01 10:00:00 +08:00`; a dash for none."""
    if not when.seconds and not when.nanos:
        return "–"
    return _written(when.ToDatetime(tzinfo=UTC), zone)


def moment_of(micros: Micros, zone: tzinfo) -> str:
    """The same of microseconds since 1970."""
    return _written(datetime.fromtimestamp(micros // SECOND, UTC), zone)


def moment_said(where: str, said: str, zone: tzinfo) -> Timestamp:
    """A time as typed: ISO 8601, or a date alone for its first moment; without an offset it is one of the zone.

    Raises `BadInput`.
    """
    try:
        whole = datetime.fromisoformat(said)
    except ValueError:
        raise BadInput(where, f"{said!r} is not a time such as 2026-03-01 or 2026-03-01T10:00:00+08:00") from None
    if not whole.tzinfo:
        whole = whole.replace(tzinfo=zone)
    stamp = Timestamp()
    stamp.FromDatetime(whole.astimezone(UTC))
    return stamp


def money(currency: str, minor: int) -> str:
    """An amount with its currency: `CNY 1,280.50`."""
    exponent = exponent_of(currency)
    return f"{currency} {Decimal(minor).scaleb(-exponent):,.{exponent}f}"


def lasting(seconds: float) -> str:
    """A duration in two units at the most: `3.2 s`, `4 min 10 s`, `2 d 3 h`."""
    whole = round(seconds)
    if whole < MINUTE:
        return f"{seconds:.1f} s"
    for unit, name, part, part_name in ((DAY, "d", HOUR, "h"), (HOUR, "h", MINUTE, "min"), (MINUTE, "min", 1, "s")):
        if whole >= unit:
            rest = whole % unit // part
            return f"{whole // unit} {name}" + (f" {rest} {part_name}" if rest else "")
    raise AssertionError(seconds)


def many(count: int, one: str, more: str = "") -> str:
    """A count with its noun: `1 row`, `2,500 rows`."""
    return f"{count:,} {one if count == 1 else more or one + 's'}"


def shortened(value: Any, length: int) -> str:
    """A value in one line of at most so many characters; texts as they are, all else as JSON."""
    text = " ".join(value.split()) if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= length else text[: length - 1] + "…"


def _written(when: datetime, zone: tzinfo) -> str:
    local = when.astimezone(zone)
    offset = local.strftime("%z")
    return f"{local:%Y-%m-%d %H:%M:%S} {offset[:3]}:{offset[3:5]}"
