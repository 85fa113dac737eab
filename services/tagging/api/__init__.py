"""The gRPC service of tagging: decode, call, encode."""

from typing import Final

from portrait.tagging.v1 import tags_service_pb2 as pb
from portrait.tagging.v1 import tags_service_pb2_grpc as rpc

from libs.rpc.server import Service
from services.tagging.api.definitions import DefinitionMethods
from services.tagging.api.parts import Parts
from services.tagging.api.people import PeopleMethods
from services.tagging.api.watching import WatchingMethods

__all__ = ["WATCHING", "Parts", "tagging_services"]

WATCHING: Final = "/portrait.tagging.v1.Tags/WatchTags"


class TagsService(DefinitionMethods, PeopleMethods, WatchingMethods):
    """`tagging.v1.Tags`."""


def tagging_services(parts: Parts) -> list[Service]:
    """Everything that the tagging service answers."""
    described = pb.DESCRIPTOR.services_by_name["Tags"]
    return [Service(described, rpc.add_TagsServicer_to_server, TagsService(parts))]
