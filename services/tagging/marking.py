"""Making people due, by the places that are theirs."""

from collections.abc import Collection, Mapping

from libs.eventlog.database import Connection
from services.tagging.store.due import NOTHING, Affected, DueRows, united
from services.tagging.store.places import persons_of, share_map


async def mark_places(
    connection: Connection,
    tenant: str,
    places: Mapping[bytes, Affected],
    causes: Mapping[bytes, bytes],
    historical: Collection[bytes] = (),
) -> None:
    """Make whoever some places belong to due for tags, because of events by place; the map must be shared.

    `historical` are places of which all these events were collected as history.
    """
    people = await persons_of(connection, tenant, places.keys())
    due: dict[bytes, Affected] = {}
    cause: dict[bytes, bytes] = {}
    live: set[bytes] = set()
    for place, affected in places.items():
        person = people[place]
        due[person] = united(affected, due.get(person, NOTHING))
        if place in causes:
            cause[person] = causes[place]
        if place not in historical:
            live.add(person)
    await DueRows(connection, tenant).mark(due, cause, due.keys() - live)


async def mark_people(
    connection: Connection, tenant: str, people: Collection[bytes], tags: Collection[str], cause: bytes
) -> None:
    """Make whoever some people are by now due for tags, because of an event."""
    await share_map(connection)
    await mark_places(connection, tenant, dict.fromkeys(people, frozenset(tags)), dict.fromkeys(people, cause))
