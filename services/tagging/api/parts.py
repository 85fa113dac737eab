"""What the methods of `tagging.v1.Tags` have in common: the parts that they call, and reading who is meant."""

from dataclasses import dataclass
from typing import Any

import grpc
from portrait.identity.v1 import person_pb2
from portrait.tagging.v1 import tags_service_pb2_grpc as rpc

from libs.eventlog.postgres import PostgresLog
from libs.people.anchor import Anchoring
from libs.people.identifiers import Claimed
from libs.people.person import Name
from libs.people.rulebook import Rulebook
from services.tagging.catalogue import Catalogues
from services.tagging.handlers.publishing import Publishing
from services.tagging.handlers.saying import Saying
from services.tagging.queries.explaining import Explaining
from services.tagging.queries.names import Names
from services.tagging.queries.people import People
from services.tagging.queries.previewing import Previewing

Context = grpc.aio.ServicerContext[Any, Any]


@dataclass(frozen=True, slots=True)
class Parts:
    """Whatever answers; `log` is the log of tags."""

    rulebook: Rulebook
    catalogues: Catalogues
    names: Names
    people: People
    previewing: Previewing
    explaining: Explaining
    publishing: Publishing
    saying: Saying
    log: PostgresLog


class Methods(rpc.TagsServicer):
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
