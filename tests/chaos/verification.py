"""Whether every promise was kept: a list of what was lost, doubled, torn or never came, and empty if nothing was."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

import asyncpg
from portrait.profile.v1 import profiles_service_pb2 as pb
from portrait.profile.v1 import profiles_service_pb2_grpc as rpc

from libs.eventlog.database import open_pool
from libs.people.said import INTERACTION_RECORDED
from libs.rpc.client import channel, metadata_for
from tests.chaos.deciding import IdentityMinutes
from tests.chaos.explaining import Explaining
from tests.chaos.golden import key_of, outputs_of, people
from tests.chaos.history import History, Key, Row, told
from tests.chaos.identification import Identification
from tests.chaos.ledger import Acknowledged, Ledger, Place
from tests.chaos.stage import PARTITIONS, PROFILES, Stage
from tests.chaos.tagging import TagMinutes
from tests.chaos.tags import Tagged
from tests.chaos.town import TENANT, Person
from tests.support.golden_people import GoldenPeople

ASKED_AT_ONCE: Final = 50
DEADLOCK: Final = b"deadlock detected"
DETAILS: Final = 3_000  # bytes of the log that tell who waits for whom
EXPLAINED: Final = 2  # people of those who hold what they must not
ERROR: Final = b'"level": "error"'


@dataclass
class Verification:
    """All logs as they were at the last look, and what they are compared with. One for the life of a stage."""

    stage: Stage
    ledger: Ledger = field(default_factory=Ledger)
    minutes: IdentityMinutes = field(default_factory=IdentityMinutes)
    tag_minutes: TagMinutes = field(default_factory=TagMinutes)
    interactions: History = field(default_factory=lambda: History("interactions", PARTITIONS))
    counts: History = field(default_factory=lambda: History("counts", PARTITIONS))
    _golden: GoldenPeople = field(default_factory=people, init=False)
    _read: dict[str, int] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self.identification = Identification(self.stage, self._golden)
        self.tagged = Tagged(self.stage, self._golden)

    def close(self) -> None:
        """Begin a new page: what was answered has been checked."""
        for pages in (self.ledger, self.minutes, self.tag_minutes):
            pages.close()

    async def violations(self, present: Sequence[Person]) -> list[str]:
        """Everything wrong since the last look, in words; `present` are those who did something meanwhile."""
        ledger = self.ledger
        found = [*told(ledger.wrong), *self._ended(), *self._deadlocks()]
        connection = await asyncpg.connect(self.stage.dsn("profile"))
        try:
            rows = await self.interactions.read_on(connection)
            parked = await connection.fetch("SELECT position, cause FROM dead_letters")
        finally:
            await connection.close()
        found += told(self.interactions.wrong)
        found += told([f"profile parked {position}: {cause}" for position, cause in parked])
        found += told(list(self._broken_promises(ledger, rows)))
        touched = {row.key for row in rows} | {(TENANT, key_of(person.account)) for person in present}
        found += await self._wrong_people({key for _, key in touched})
        connection = await asyncpg.connect(self.stage.dsn("reference"))
        try:
            await self.counts.read_on(connection)
            counted = {(tenant, key.bytes): count for tenant, key, count in await connection.fetch("TABLE counts")}
        finally:
            await connection.close()
        found += told(self.counts.wrong)
        found += told(list(self._wrong_counts(touched, counted)))
        errors = list(self._errors())
        return [*found, *errors] if found else []

    async def _wrong_people(self, anchors: set[bytes]) -> list[str]:
        """Who is who, and the portraits and tags of everybody whom what was collected or identified since concerns."""
        async with (
            open_pool(self.stage.dsn("identity"), size=2, scans=False) as identity,
            open_pool(self.stage.dsn("profile"), size=2, scans=False) as profile,
        ):
            found, identified = await self.identification.read_on(identity, self.minutes)
            for anchor in anchors:
                self._golden.collected(anchor, self.interactions.of((TENANT, anchor)))
            names = sorted(anchors | identified)
            found += await self.identification.violations(identity, profile, names)
        if self.stage.tags:
            async with open_pool(self.stage.dsn("tagging"), size=2, scans=False) as tagging:
                found += await self.tagged.violations(tagging, self.tag_minutes, names)
                told_by = self.interactions, self.identification.log, self.tagged.log
                explaining = Explaining(tagging, self._golden.map, *told_by)
                for person in sorted(self.tagged.wrong)[:EXPLAINED]:
                    found += [line async for line in explaining.of(person)]
        return found + await self._wrong_portraits(names)

    def _ended(self) -> Iterator[str]:
        for name, replica in self.stage.replicas.items():
            if replica.pid is None:
                yield f"{name} ended by itself"

    def _deadlocks(self) -> Iterator[str]:
        _, *deadlocks = self._new_in_log("postgres").split(DEADLOCK)
        if deadlocks:
            yield f"PostgreSQL found {len(deadlocks)} deadlocks: somebody does not keep the order of locks"
            yield deadlocks[0][:DETAILS].decode(errors="replace")

    def _errors(self) -> Iterator[str]:
        """The last error that each replica logged; no violation, but it may say how one came about."""
        for name in self.stage.replicas:
            logged = [line for line in self._new_in_log(name).splitlines() if ERROR in line]
            yield from (f"({name} logged: …{line[-1_500:].decode(errors='replace')})" for line in logged[-1:])

    def _new_in_log(self, name: str) -> bytes:
        with self.stage.log(name).open("rb") as log:
            log.seek(self._read.get(name, 0))
            new = log.read()
            self._read[name] = log.tell()
        return new

    def _broken_promises(self, ledger: Ledger, rows: Sequence[Row]) -> Iterator[str]:
        """What was acknowledged must be in the log as it was said, and nothing that nobody said."""
        at: dict[Place, Row] = {row.place: row for row in rows}
        for one in ledger.acknowledged:
            yield from self._lost(one, at.get(one.place), ledger)
        for one in ledger.taken_back:
            if not self.interactions.is_taken_back(one.place):
                yield f"{one.said.message_id} at {one.place} was taken back, and the log knows nothing of it"
        for row in rows:
            if row.event.type == INTERACTION_RECORDED and row.event.payload not in ledger.sent.get(row.event.id, ()):
                yield f"the log holds at {row.place} what nobody sent: {row.event.payload!r}"

    def _lost(self, one: Acknowledged, row: Row | None, ledger: Ledger) -> Iterator[str]:
        name = f"{one.said.message_id} was acknowledged at {one.place}"
        if row is None or row.event.id != one.said.event_id:
            yield f"{name}, where the log has {'nothing' if row is None else 'the id ' + row.event.id.hex()}"
        elif one.repeat and row.event.payload not in ledger.sent[one.said.event_id]:
            yield f"{name}, where the log has other words"
        elif one.differs is (row.event.payload == one.said.document):
            yield f"{name} as {'different from' if one.differs else 'equal to'} what the log has, which is not so"

    async def _wrong_portraits(self, names: Sequence[bytes]) -> list[str]:
        must = await self._golden.profiles(names)
        shown = {replica: await self._shown(replica, names) for replica in PROFILES}
        # A day that begins changes portraits, also while somebody looks.
        later = await self._golden.profiles(names) if any(one != must for one in shown.values()) else must
        found: list[str] = []
        for replica, portraits in shown.items():
            wrong = {name: one for name, one in portraits.items() if one not in (must[name], later[name])}
            found += told([f"{replica} shows of {name.hex()} {_difference(wrong[name], must[name])}" for name in wrong])
        return found

    async def _shown(self, replica: str, names: Sequence[bytes]) -> dict[bytes, pb.Profile]:
        """The portraits of people as a replica has them."""
        shown: dict[bytes, pb.Profile] = {}
        async with channel(self.stage.replicas[replica].target) as connected:
            profiles = rpc.ProfilesStub(connected)
            for start in range(0, len(names), ASKED_AT_ONCE):
                some = names[start : start + ASKED_AT_ONCE]
                people = [pb.PersonReference(person_id=key.hex()) for key in some]
                request = pb.BatchGetProfilesRequest(people=people)
                answer = await profiles.BatchGetProfiles(request, timeout=60, metadata=metadata_for(TENANT))
                shown.update(zip(some, answer.profiles, strict=True))
        return shown

    def _wrong_counts(self, touched: Iterable[Key], counted: dict[Key, int]) -> Iterator[str]:
        for key in sorted(touched):
            causes = outputs_of(self.interactions.of(key))
            recorded = [(one.event.causation_id, one.event.payload) for one in self.counts.of(key)]
            if counted.get(key, 0) != len(causes):
                yield f"the consumer counted {counted.get(key, 0)} of {len(causes)} events of {key[1].hex()}"
            if recorded != causes:
                yield f"the consumer recorded of {key[1].hex()} {_torn(recorded, causes)}"


def _torn(recorded: Sequence[tuple[bytes, bytes]], golden: Sequence[tuple[bytes, bytes]]) -> str:
    if len(recorded) != len(golden):
        missing = [cause.hex() for cause, _ in set(golden) - set(recorded)]
        surplus = [cause.hex() for cause, _ in set(recorded) - set(golden)]
        return f"{len(recorded)} outputs of {len(golden)}; missing {missing[:3]}, surplus {surplus[:3]}"
    first = next(index for index, pair in enumerate(zip(recorded, golden, strict=True)) if pair[0] != pair[1])
    return f"as output {first + 1} {recorded[first]} instead of {golden[first]}"


def _difference(shown: pb.Profile, golden: pb.Profile) -> str:
    for field_ in pb.Profile.DESCRIPTOR.fields:
        one, other = getattr(shown, field_.name), getattr(golden, field_.name)
        if one != other:
            return f"{field_.name} {str(one)[:200]!r} instead of {str(other)[:200]!r}"
    return "something else"
