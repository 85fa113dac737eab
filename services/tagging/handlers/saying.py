"""What is said of people by hand or by a file: it attaches to the identifier that founded the person named."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from libs.conditions.comparisons import Scalar
from libs.conditions.said import Said
from libs.eventlog.database import Connection
from libs.eventlog.event import Appended, Envelope, NewEvent
from libs.eventlog.requests import all_recorded, hold_request, recorded
from libs.eventlog.transactions import Transactions
from libs.people.person import Name
from libs.people.postgres_identity_map import PostgresIdentityMap
from libs.people.spans import own_id
from libs.runtime.clock import Micros
from libs.runtime.errors import FailedPrecondition, InvalidArgument, NotFound
from libs.telemetry.traces import traceparent_bytes
from services.tagging.codec.by_hand import TAG_CLEARED, TAG_SET, said_payload, said_type
from services.tagging.domain.by_hand import Told
from services.tagging.domain.kinds import definitions_in
from services.tagging.domain.ladder import Laddered
from services.tagging.domain.names import key_of, kind_of
from services.tagging.domain.segment import SegmentDefinition
from services.tagging.domain.tag import TagDefinition
from services.tagging.domain.values import read_value
from services.tagging.handlers.event_ids import digest_of, event_id
from services.tagging.marking import mark_people
from services.tagging.store.by_hand import ByHandRows
from services.tagging.store.definitions import DefinitionRows

_OTHER_ROW: Final = "import_id: said something else in this row before; a file that was mended takes a new id"


class Wanted(NamedTuple):
    """What is to be said of a person; `at` names the field of the request in which it stands."""

    name: Name
    value: Scalar
    of: str
    expires_at: Micros | None
    row: int = 0
    at: str = "value"


class Set(NamedTuple):
    """What was recorded, and the person whom it is about."""

    place: Appended
    event_id: bytes
    person: bytes


class Imported(NamedTuple):
    """How many rows were recorded, how many had been before, and what is wrong with the others, by row."""

    recorded: int
    duplicates: int
    refused: dict[int, str]


@dataclass(frozen=True, slots=True)
class Saying:
    """Records what is said of people, and lets them be answered anew."""

    transactions: Transactions
    map: PostgresIdentityMap
    now: Callable[[str], Micros]
    """A tenant's time."""

    async def set(self, tenant: str, tag: str, wanted: Wanted, by: str, reason: str, *, request_id: str = "") -> Set:
        """Let a person have a value of a tag.

        Raises `NotFound` for a tag that is not in force, `InvalidArgument` for a value that it can't have and for a
        `request_id` of another request, `Unavailable`.
        """
        (person,) = await self.map.people(tenant, [wanted.name])

        async def work(connection: Connection) -> Set:
            now = self.now(tenant)
            id_, digest = event_id(tenant, TAG_SET, request_id), _digest(tag, wanted)
            await hold_request(connection, id_)
            place = await recorded(connection, tenant, id_, digest)
            if place is not None:
                return Set(place, id_, person.id)
            told = _told(await self._definition(connection, tenant, tag), wanted, person.id, now, by, "", id_)
            (place,) = await self._tell(connection, tenant, {told: digest}, reason)
            return Set(place, id_, person.id)

        return await self.transactions.run(work)

    async def clear(
        self, tenant: str, tag: str, name: Name, by: str, reason: str, *, request_id: str = ""
    ) -> Set | None:
        """Take back what was said of any identifier of a person; None if there is nothing to take back.

        Raises `NotFound` for a tag that is not in force and of which nothing was said, `InvalidArgument` for a
        `request_id` of another request, `Unavailable`.
        """
        (person,) = await self.map.people(tenant, [name])
        places = [own_id(member.identifier, member.span) for member in person.members]

        async def work(connection: Connection) -> Set | None:
            now, digest, rows = self.now(tenant), digest_of(tag, name.key), ByHandRows(connection, tenant)
            ids = {
                place: event_id(tenant, TAG_CLEARED, request_id and f"{request_id}\0{place.hex()}") for place in places
            }
            if any(one.tag == tag for one in await rows.of(places)):
                await mark_people(connection, tenant, places, {tag}, ids[places[0]])  # now nobody else can clear it
            for id_ in ids.values() if request_id else ():
                repeated = await recorded(connection, tenant, id_, digest)
                if repeated is not None:
                    return Set(repeated, id_, person.id)
            said = [one.identifier for one in await rows.of(places) if one.tag == tag]
            told = [Told(one, tag, None, "", now, None, by, "", ids[one]) for one in said]
            if not told:
                await self._definition(connection, tenant, tag)
                return None
            appended = await self._tell(connection, tenant, dict.fromkeys(told, digest), reason)
            return Set(appended[0], told[0].event_id, person.id)

        return await self.transactions.run(work)

    async def import_(self, tenant: str, name: str, rows: Sequence[Wanted], by: str, import_id: str) -> Imported:
        """Let many people have values of a tag, or be in a list or not, as a file says.

        A row that is sent again changes nothing. Raises `NotFound` for what is not in force, `FailedPrecondition` for a
        segment that is no list, `Unavailable`.
        """
        people = await self.map.people(tenant, [row.name for row in rows])

        async def work(connection: Connection) -> Imported:
            await hold_request(connection, event_id(tenant, TAG_SET, f"{import_id}\0{name}"))
            definition, now = await self._definition(connection, tenant, name), self.now(tenant)
            ids = [event_id(tenant, TAG_SET, f"{import_id}\0{name}\0{row.row}") for row in rows]
            known = await all_recorded(connection, tenant, ids)
            told: dict[Told, int] = {}
            refused: dict[int, str] = {}
            duplicates = 0
            for row, person, id_ in zip(rows, people, ids, strict=True):
                digest = _digest(name, row)
                before = known.get(id_)
                if before is not None:
                    duplicates += before == digest
                    if before != digest:
                        refused[row.row] = _OTHER_ROW
                    continue
                try:
                    told[_told(definition, row, person.id, now, by, import_id, id_)] = known[id_] = digest
                except InvalidArgument as error:
                    refused[row.row] = str(error)
            if told:
                await self._tell(connection, tenant, told, "")
            return Imported(len(told), duplicates, refused)

        return await self.transactions.run(work)

    async def _tell(self, connection: Connection, tenant: str, told: Mapping[Told, int], reason: str) -> list[Appended]:
        """Record what is said, each with the digest of what was asked for."""
        # First, for whoever waits for the map must hold nothing that others want who have it. By identifiers, for who
        # they belong to may be somebody else than when the person was looked up.
        said, tags = {one.identifier for one in told}, {one.tag for one in told}
        await mark_people(connection, tenant, said, tags, list(told)[-1].event_id)
        newest = {(one.identifier, one.tag): one for one in told}
        await ByHandRows(connection, tenant).tell(list(newest.values()))
        return await self.transactions.log.append_in(connection, [_event(tenant, *one, reason) for one in told.items()])

    async def _definition(self, connection: Connection, tenant: str, name: str) -> TagDefinition | SegmentDefinition:
        published = await DefinitionRows(connection, tenant).in_force(name)
        definition = definitions_in(published)[0] if published else None
        if not isinstance(definition, TagDefinition | SegmentDefinition):
            raise NotFound(kind_of(name), key_of(name))
        if isinstance(definition, SegmentDefinition) and not definition.is_list:
            message = f"segment {definition.key!r} has a condition: only a list (list: true) takes members by hand"
            raise FailedPrecondition("NOT_A_LIST", message)
        return definition


def _digest(tag: str, wanted: Wanted) -> int:
    return digest_of(tag, wanted.name.key, wanted.value, wanted.of, wanted.expires_at)


def _event(tenant: str, told: Told, digest: int, reason: str) -> NewEvent:
    envelope = Envelope(tenant, said_type(told), import_id=told.import_id, traceparent=traceparent_bytes()).seal()
    payload = said_payload(told, reason)
    return envelope.event(told.event_id, told.identifier, told.said_at, payload, digest=digest)


def _told(
    definition: Laddered, wanted: Wanted, person: bytes, now: Micros, by: str, import_id: str, id_: bytes
) -> Told:
    value = read_value(Said(wanted.value, wanted.at), definition.value_type, definition.options)
    expires_at = wanted.expires_at
    if expires_at is None and definition.time_to_live is not None:
        expires_at = now + definition.time_to_live
    if expires_at is not None and expires_at <= now:
        raise InvalidArgument("expires_at", "is past already")
    return Told(person, definition.name, value, wanted.of, now, expires_at, by, import_id, id_)
