"""The gRPC service of identity: decode, call, encode."""

from typing import Final

from portrait.identity.v1 import identities_service_pb2 as pb
from portrait.identity.v1 import identities_service_pb2_grpc as rpc

from libs.rpc.server import Service
from services.identity.api.deciding import DecidingMethods
from services.identity.api.parts import Parts
from services.identity.api.people import PeopleMethods
from services.identity.api.rules import RulesMethods
from services.identity.api.suggesting import SuggestingMethods
from services.identity.api.watching import WatchingMethods

__all__ = ["WATCHING", "Parts", "identity_services"]

WATCHING: Final = "/portrait.identity.v1.Identities/WatchChanges"


class IdentitiesService(PeopleMethods, DecidingMethods, RulesMethods, WatchingMethods, SuggestingMethods):
    """`identity.v1.Identities`."""


def identity_services(parts: Parts) -> list[Service]:
    """Everything that the identity service answers."""
    described = pb.DESCRIPTOR.services_by_name["Identities"]
    return [Service(described, rpc.add_IdentitiesServicer_to_server, IdentitiesService(parts))]
