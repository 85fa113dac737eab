"""Examples that stand in the document of a definition: what happens to somebody, and what they then have."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from hashlib import blake2b
from typing import Any, Final

import msgspec

from libs.conditions.comparisons import Scalar
from libs.conditions.event import Event
from libs.conditions.said import Said
from libs.conditions.windows import Days
from libs.runtime.clock import SECOND, Micros
from services.tagging.domain.names import DAY
from services.tagging.domain.values import ValueType, read_value

FIRST_YEAR: Final = 1900
LAST_YEAR: Final = 2200
"""Of examples: whatever is counted from them is within the calendar, in every zone."""

_NOW: Final[Micros] = int(datetime(2026, 1, 15, 12, tzinfo=UTC).timestamp()) * SECOND
"""When an example is looked at that doesn't say when."""


class Example(msgspec.Struct, frozen=True):
    """After these events, and holding all this beside, somebody has this value; None for having none.

    `of` is the item or category that the value is to be about, if the example says so, and `level` that of the tag's
    score, empty for none.
    """

    name: str
    now: Micros
    events: tuple[Event, ...]
    tags: Mapping[str, Scalar]
    zone: str
    expected: Scalar | None
    of: str | None = None
    segments: frozenset[str] = frozenset()
    stages: frozenset[str] = frozenset()
    tiers: frozenset[str] = frozenset()
    scores: Mapping[str, int] = {}
    level: str | None = None


def read_example(said: Said, value_type: ValueType, *, scored: bool = False) -> Example:
    """An example of a definition with values of a type, and with a score if it has one.

    Raises `InvalidArgument` with its path.
    """
    fields = said.fields(*_FIELDS, *(("level",) if scored else ()), needs=("name", "expect"))
    now = _moment(fields["now"]) if "now" in fields else _NOW
    events = fields["events"].items() if "events" in fields else ()
    tags = fields["tags"].entries() if "tags" in fields else {}
    return Example(
        name=fields["name"].text(),
        now=now,
        events=tuple(_event(one, now, index) for index, one in enumerate(events)),
        tags={key: one.scalar() for key, one in tags.items()},
        zone=fields["zone"].text() if "zone" in fields else "",
        expected=_expected(fields["expect"], value_type),
        of=fields["of"].text() if "of" in fields else None,
        segments=frozenset(fields["segments"].texts()) if "segments" in fields else frozenset(),
        stages=frozenset({fields["stage"].text()}) if "stage" in fields else frozenset(),
        tiers=frozenset({fields["tier"].text()}) if "tier" in fields else frozenset(),
        scores={key: one.number() for key, one in fields["scores"].entries().items()} if "scores" in fields else {},
        level=_level(fields["level"]) if "level" in fields else None,
    )


_FIELDS: Final = (
    *("name", "now", "events", "tags", "segments", "stage", "tier", "scores", "zone"),
    *("expect", "of"),
)


def _expected(said: Said, value_type: ValueType) -> Scalar | None:
    if said.value is None or said.value is False:
        return None
    return read_value(said, value_type)


def _level(said: Said) -> str:
    return "" if said.value is None else said.text()


def _event(said: Said, now: Micros, index: int) -> Event:
    fields = said.fields("event", "ago", "at", "properties", "traits", "source", needs=("event",))
    if ("ago" in fields) == ("at" in fields):
        said.fail("needs ago or at, and not both")
    return Event(
        id=blake2b(f"{said.path}\0{index}".encode(), digest_size=16).digest(),
        name=fields["event"].text(),
        occurred_at=now - _ago(fields["ago"]) if "ago" in fields else _moment(fields["at"]),
        properties=_free(fields.get("properties")),
        traits=_free(fields.get("traits")),
        source=fields["source"].text() if "source" in fields else "",
    )


def _free(said: Said | None) -> dict[str, Any]:
    return {} if said is None else {name: _plain(one.value) for name, one in said.entries().items()}


def _plain(value: Any) -> Any:
    """As JSON would hold it: YAML reads dates as such."""
    match value:
        case dict():
            return {name: _plain(one) for name, one in value.items()}
        case list():
            return [_plain(one) for one in value]
        case date():
            return value.isoformat()
        case _:
            return value


def _ago(said: Said) -> Micros:
    length = said.length()
    return length.days * DAY if isinstance(length, Days) else length.micros


def _moment(said: Said) -> Micros:
    value = said.value
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            said.fail("is not a time such as 2026-03-10T12:00:00+08:00")
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime.combine(value, time())
    if not isinstance(value, datetime):
        said.fail("is not a time such as 2026-03-10T12:00:00+08:00")
    if not FIRST_YEAR <= value.year <= LAST_YEAR:
        said.fail(f"must be between the years {FIRST_YEAR} and {LAST_YEAR}")
    moment = value if value.tzinfo else value.replace(tzinfo=UTC)
    return int(moment.timestamp()) * SECOND + moment.microsecond
