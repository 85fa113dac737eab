"""The gRPC services of tagging: decode, call, encode."""

from typing import Final

from google.longrunning import operations_pb2_grpc as operations_rpc
from google.longrunning import operations_proto_pb2 as operations_pb
from portrait.tagging.v1 import segments_service_pb2 as segments_pb
from portrait.tagging.v1 import segments_service_pb2_grpc as segments_rpc
from portrait.tagging.v1 import tags_service_pb2 as tags_pb
from portrait.tagging.v1 import tags_service_pb2_grpc as tags_rpc

from libs.rpc.server import Service
from services.tagging.api.crowds import CrowdMethods
from services.tagging.api.definitions import DefinitionMethods
from services.tagging.api.lifecycle import LifecycleMethods
from services.tagging.api.operations import OperationMethods
from services.tagging.api.parts import CrowdParts, Parts
from services.tagging.api.people import PeopleMethods
from services.tagging.api.portraying import GroupPortraitMethods
from services.tagging.api.segments import SegmentMethods
from services.tagging.api.watching import WatchingSegments, WatchingTags

__all__ = ["WATCHING", "CrowdParts", "Parts", "tagging_services"]

WATCHING: Final = frozenset({"/portrait.tagging.v1.Tags/WatchTags", "/portrait.tagging.v1.Segments/WatchSegment"})
"""What ends only when whoever asked for it goes."""


class TagsService(DefinitionMethods, LifecycleMethods, PeopleMethods, WatchingTags, tags_rpc.TagsServicer):
    """`tagging.v1.Tags`."""


class SegmentsService(
    SegmentMethods, CrowdMethods, GroupPortraitMethods, WatchingSegments, segments_rpc.SegmentsServicer
):
    """`tagging.v1.Segments`."""


def tagging_services(parts: Parts) -> list[Service]:
    """Everything that the tagging service answers."""
    of_tags = tags_pb.DESCRIPTOR.services_by_name["Tags"]
    of_segments = segments_pb.DESCRIPTOR.services_by_name["Segments"]
    of_operations = operations_pb.DESCRIPTOR.services_by_name["Operations"]
    operations = OperationMethods(parts.crowds.operations)
    return [
        Service(of_tags, tags_rpc.add_TagsServicer_to_server, TagsService(parts)),
        Service(of_segments, segments_rpc.add_SegmentsServicer_to_server, SegmentsService(parts)),
        Service(of_operations, operations_rpc.add_OperationsServicer_to_server, operations),
    ]
