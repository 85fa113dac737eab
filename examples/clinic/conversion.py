"""The clinic's year as interactions, in the order of time."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Final

import msgspec

from examples.clinic.people import Visitor, visitors
from examples.clinic.year import ZONE, Happened, utc, year_of

__all__ = ["CURRENCY", "TENANT", "ZONE", "count", "interactions"]

TENANT: Final = "clinic"
CURRENCY: Final = "CNY"

_json: Final = msgspec.json.Encoder().encode


def interactions(people: int | None = None) -> Iterator[bytes]:
    """JSON documents of the first so many people, or of all, oldest first."""
    made = [each for visitor in visitors()[:people] for each in _of(visitor)]
    return (document for _, document in sorted(made))


def count(people: int | None = None) -> int:
    """How many interactions `interactions` yields."""
    return sum(1 for _ in interactions(people))


def _of(visitor: Visitor) -> Iterator[tuple[str, bytes]]:
    year = sorted(year_of(visitor), key=lambda one: one.at)
    yield _registered(visitor, year[0])
    for number, happened in enumerate(year):
        identifiers = {"member_no": visitor.member_no}
        if happened.source == "wecom" and visitor.external_userid is not None:
            identifiers["external_userid"] = visitor.external_userid
        yield _document(
            happened,
            message_id=f"{visitor.member_no}:{number}",
            type="track",
            event=happened.name,
            identifiers=identifiers,
            properties=happened.properties,
        )


def _registered(visitor: Visitor, first: Happened) -> tuple[str, bytes]:
    registered = Happened(first.at - timedelta(minutes=5), "identified", "crm", {})
    return _document(
        registered,
        message_id=f"{visitor.member_no}:registered",
        type="identify",
        identifiers=[
            {"type": "member_no", "value": visitor.member_no, "verified": True},
            {"type": "phone", "value": visitor.phone, "verified": True},
        ],
        traits={"city": visitor.city, "birthday": visitor.birthday.isoformat()},
    )


def _document(happened: Happened, **said: Any) -> tuple[str, bytes]:
    at = utc(happened.at)
    return at, _json({**said, "occurred_at": at, "source": happened.source})
