"""Whether everybody is who they must be: every decision in the log once, and the rest as both logs let it follow."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import asyncpg
from portrait.identity.v1 import identities_service_pb2 as pb
from portrait.identity.v1 import identities_service_pb2_grpc as rpc
from portrait.profile.v1.interaction_pb2 import Identifier

from libs.people.identity_events import CUT, MOVED, news_in
from libs.people.person import Name
from libs.people.postgres_identity_map import PostgresIdentityMap
from libs.people.spans import own_id
from libs.rpc.client import channel, metadata_for
from services.identity.codec.events import DECISIONS, decision_of
from services.identity.domain.changes import places
from services.identity.domain.resolution import Resolution, resolve
from services.identity.domain.standing import Case
from tests.chaos.deciding import IdentityMinutes
from tests.chaos.golden import PARTITIONS
from tests.chaos.history import History, Row, told
from tests.chaos.ledger import Place
from tests.chaos.stage import IDENTITIES, Stage
from tests.chaos.town import TENANT
from tests.support.golden_people import GoldenPeople
from tests.support.identity_tables import resolved
from tests.support.lawful import crowds, spanned

_ASKED_AT_ONCE: Final = 1_000
_PARKED: Final = "SELECT position, cause FROM dead_letters"
_MAP: Final = "SELECT identifier, span, person, version FROM identity_map WHERE tenant = $1 AND version > 0"


@dataclass
class Identification:
    """The identity log as it was at the last look, and what it and the interactions make of everybody."""

    stage: Stage
    golden: GoldenPeople
    log: History = field(default_factory=lambda: History("identity", PARTITIONS), init=False)
    _requests: dict[str, Place] = field(default_factory=dict, init=False)

    async def read_on(self, pool: asyncpg.Pool, minutes: IdentityMinutes) -> tuple[list[str], set[bytes]]:
        """What is wrong with what the log says since the last look, and everybody whom it speaks of."""
        async with pool.acquire() as connection:
            rows = await self.log.read_on(connection)
        self.golden.identified(row.recorded for row in rows)
        found = [
            *told(minutes.wrong),
            *told(self.log.wrong),
            *told(list(self._wrong_decisions(minutes, rows))),
            *told(list(self._wrong_rules(minutes))),
        ]
        spoken_of = {row.event.key for row in rows if row.event.type in {MOVED, CUT}}
        moved = news_in(row.event for row in rows).values()
        return found, spoken_of.union(move.person for news in moved for move in news.moves)

    async def violations(self, pool: asyncpg.Pool, profile: asyncpg.Pool, names: Sequence[bytes]) -> list[str]:
        """Whatever is otherwise than it must be; `names` are OneIDs, present or former, to look at closely."""
        case = self.golden.case
        golden = resolve(case)
        found = [
            *told([f"identity parked {position}: {cause}" for position, cause in await pool.fetch(_PARKED)]),
            *told(list(_differences(await resolved(pool, TENANT), golden))),
            *told(list(_unlawful(case, golden))),
            *told(list(_said_otherwise(self.golden, golden))),
            *told([one async for one in self._wrong_map(profile, names)]),
        ]
        for replica in IDENTITIES:
            found += told([one async for one in self._wrong_answers(replica, case, golden)])
        return found

    def _wrong_decisions(self, minutes: IdentityMinutes, rows: Sequence[Row]) -> Iterator[str]:
        """Every decision acknowledged is where it was said to be, none is there twice, and none is nobody's."""
        decisions = {row.place: row for row in rows if row.event.type in DECISIONS}
        for place, row in decisions.items():
            request = _request_of(row)
            if request not in minutes.asked:
                yield f"the identity log holds at {place} a decision that nobody asked for: {request}"
            if request in self._requests:
                yield f"the decision {request} stands at {self._requests[request]} and again at {place}"
            self._requests[request] = place
        for one in minutes.decided:
            if one.event_id:
                there = decisions.get(one.place)
                if there is None or (there.event.id, _request_of(there)) != (one.event_id, one.request_id):
                    yield f"the decision {one.request_id} was acknowledged at {one.place}, where the log has it not"

    def _wrong_rules(self, minutes: IdentityMinutes) -> Iterator[str]:
        known = {rules.version: rules for rules in self.golden.rules.versions}
        for one in minutes.published:
            held, said = known.get(one.version), one.rules
            if held is None or (held.types, held.shared) != (said.types, said.shared):
                yield f"rules were acknowledged as version {one.version}, which the log has not or otherwise"

    async def _wrong_map(self, profile: asyncpg.Pool, names: Sequence[bytes]) -> Any:
        """Profile's map is the fold of the identity log."""
        kept = {tuple(row) for row in await profile.fetch(_MAP, TENANT)}
        folded = set(self.golden.map.rows())
        for identifier, span, person, version in sorted(kept ^ folded):
            has = "the log does not say so" if (identifier, span, person, version) in kept else "its map says otherwise"
            yield f"profile: {identifier.hex()}/{span.hex()} went to {person.hex()} as version {version}, but {has}"
        wanted = [Name(name) for name in names]
        people = await PostgresIdentityMap(profile).people(TENANT, wanted)
        for name, one, other in zip(wanted, people, self.golden.map.people(wanted), strict=True):
            if one != other:
                yield f"profile: {name.key.hex()} is {one} instead of {other}"

    async def _wrong_answers(self, replica: str, case: Case, golden: Resolution) -> Any:
        """Each replica answers with the people that there are."""
        seen = case.evidence.seen
        keys = sorted(key for key in seen if case.type_of(key) and key not in case.screened)
        async with channel(self.stage.replicas[replica].target) as connected:
            identities: Any = rpc.IdentitiesStub(connected)
            for start in range(0, len(keys), _ASKED_AT_ONCE):
                some = keys[start : start + _ASKED_AT_ONCE]
                named = [Identifier(type=seen[key].type, value=self.golden.value(key)) for key in some]
                request = pb.BatchResolveRequest(identifiers=named)
                answer = await identities.BatchResolve(request, timeout=60, metadata=metadata_for(TENANT))
                for key, one in zip(some, answer.resolutions, strict=True):
                    if (one.key, one.person_id) != (key.hex(), golden.person_of(key).hex()):
                        yield f"{replica}: {key.hex()} is {one.person_id} instead of {golden.person_of(key).hex()}"


def _request_of(row: Row) -> str:
    """The request that led to a decision: whoever decides here gives its id for their reason."""
    decision, _ = decision_of(row.recorded)
    return decision.note


def _differences(one: Resolution, other: Resolution) -> Iterator[str]:
    """In what the tables and the evidence differ."""
    for what in Resolution.__struct_fields__:
        kept: Mapping[Any, Any] = getattr(one, what)
        follows: Mapping[Any, Any] = getattr(other, what)
        for name in kept.keys() | follows.keys():
            if kept.get(name) != follows.get(name):
                yield f"identity has in {what} of {name!r} {kept.get(name)!r} instead of {follows.get(name)!r}"


def _unlawful(case: Case, found: Resolution) -> Iterator[str]:
    for type_, keys in crowds(case, found):
        yield f"one person has {len(keys)} of {type_}"
    for a, b in spanned(case, found):
        yield f"one person has both {a.hex()} and {b.hex()}, which was forbidden"


def _said_otherwise(golden: GoldenPeople, found: Resolution) -> Iterator[str]:
    """What the identity log says in moves and cuts, and what follows from the evidence, is the same."""
    heard = {(key, span): person for key, span, person, _ in golden.map.rows() if person != own_id(key, span)}
    follows = places(found)
    for place in heard.keys() | follows.keys():
        if heard.get(place) != follows.get(place):
            yield f"the moves leave {place!r} with {heard.get(place)!r} instead of {follows.get(place)!r}"
    for key in found.cuts.keys() | golden.cuts.keys():
        if golden.cuts.get(key) != found.cuts.get(key):
            yield f"the cuts leave {key.hex()} {golden.cuts.get(key)} instead of {found.cuts.get(key)}"
