"""What the methods of tagging have in common: the parts that they call, and reading who is meant."""

from dataclasses import dataclass
from typing import Any

import grpc
from portrait.identity.v1 import person_pb2

from libs.eventlog.postgres import PostgresLog
from libs.people.anchor import Anchoring
from libs.people.identifiers import Claimed
from libs.people.person import Name
from libs.people.rulebook import Rulebook
from libs.runtime.tenants import Tenants
from services.tagging.catalogue import Catalogues
from services.tagging.handlers.publishing import Publishing
from services.tagging.handlers.saying import Saying
from services.tagging.operations.exporting import Exporting
from services.tagging.operations.running import Operations
from services.tagging.queries.crowds import Crowds
from services.tagging.queries.estimating import Estimating
from services.tagging.queries.explaining import Explaining
from services.tagging.queries.names import Names
from services.tagging.queries.people import People
from services.tagging.queries.portraying import Portraying
from services.tagging.queries.previewing import Previewing
from services.tagging.queries.scoring import Scoring
from services.tagging.queries.staging import Staging
from services.tagging.tallying import Tallying

Context = grpc.aio.ServicerContext[Any, Any]


@dataclass(frozen=True, slots=True)
class CrowdParts:
    """Whatever answers how many people meet a condition, who they are, and what takes longer than a call."""

    tenants: Tenants
    crowds: Crowds
    tallying: Tallying
    estimating: Estimating
    exporting: Exporting
    operations: Operations


@dataclass(frozen=True, slots=True)
class Parts:
    """Whatever answers; `log` is the log of tags."""

    rulebook: Rulebook
    catalogues: Catalogues
    names: Names
    people: People
    previewing: Previewing
    explaining: Explaining
    portraying: Portraying
    scoring: Scoring
    staging: Staging
    publishing: Publishing
    saying: Saying
    log: PostgresLog
    crowds: CrowdParts


class Methods:
    """The ground of all methods, which are parted by what they are about."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def _name(self, tenant: str, reference: person_pb2.PersonReference, field: str = "person") -> Name:
        """Who is meant; raises `InvalidArgument` if an identifier can name nobody."""
        if reference.WhichOneof("reference") == "person_id":
            return Name(bytes.fromhex(reference.person_id))
        return named(self._parts.rulebook.current(tenant), reference, field)


def named(anchoring: Anchoring, reference: person_pb2.PersonReference, field: str) -> Name:
    """Whoever an identifier names, as the rules read it."""
    said = reference.identifier
    return Name(anchoring.person_named(Claimed(said.type, said.value), f"{field}.identifier").key)
