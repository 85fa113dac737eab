"""Making people due, by the places that are theirs."""

from collections.abc import Collection

from libs.eventlog.database import Connection
from services.tagging.store.due import NOTHING, Affected, Due, DueRows, Marks, united
from services.tagging.store.places import persons_of, share_map


async def _marks_of(connection: Connection, tenant: str, places: Marks) -> Marks:
    """Marks by place as those of the people whose these are; the map must be shared."""
    people = await persons_of(connection, tenant, places.affected.keys())
    due: dict[bytes, Affected] = {}
    cause: dict[bytes, bytes] = {}
    live: set[bytes] = set()
    for place, affected in places.affected.items():
        person = people[place]
        due[person] = united(affected, due.get(person, NOTHING))
        if place in places.causes:
            cause[person] = places.causes[place]
        if place not in places.historical:
            live.add(person)
    return Marks(due, cause, due.keys() - live)


async def mark_places(connection: Connection, tenant: str, places: Marks) -> None:
    """Make whoever some places belong to due; the map must be shared."""
    await DueRows(connection, tenant).mark(*await _marks_of(connection, tenant, places))


async def hold_places(connection: Connection, tenant: str, places: Marks) -> list[Due]:
    """The same people as they would be due, held till the transaction ends; the map must be shared."""
    return await DueRows(connection, tenant).hold(await _marks_of(connection, tenant, places))


async def mark_people(
    connection: Connection, tenant: str, people: Collection[bytes], tags: Collection[str], cause: bytes
) -> None:
    """Make whoever some people are by now due for tags, because of an event."""
    await share_map(connection)
    marks = Marks(dict.fromkeys(people, frozenset(tags)), dict.fromkeys(people, cause))
    await mark_places(connection, tenant, marks)
