"""The gRPC services of profile: decode, call, encode."""

from portrait.profile.v1 import collector_service_pb2 as collector_pb
from portrait.profile.v1 import collector_service_pb2_grpc as collector_rpc
from portrait.profile.v1 import profiles_service_pb2 as profiles_pb
from portrait.profile.v1 import profiles_service_pb2_grpc as profiles_rpc
from portrait.profile.v1 import quarantine_service_pb2 as quarantine_pb
from portrait.profile.v1 import quarantine_service_pb2_grpc as quarantine_rpc
from portrait.profile.v1 import schemas_service_pb2 as schemas_pb
from portrait.profile.v1 import schemas_service_pb2_grpc as schemas_rpc

from libs.rpc.server import Service
from libs.runtime.tenants import Tenants
from services.profile.api.collector import HAND_VALIDATED, CollectorService
from services.profile.api.profiles import ProfilesService
from services.profile.api.quarantine import QuarantineService
from services.profile.api.schemas import SchemasService
from services.profile.clocks import TenantClocks
from services.profile.handlers import Collecting, Mending, Retracting
from services.profile.quarantine import QuarantineStore
from services.profile.queries.names import People
from services.profile.queries.portraits import Portraits
from services.profile.queries.watching import Watching
from services.profile.schemas import Schemas

__all__ = ["HAND_VALIDATED", "profile_services"]


def profile_services(
    collecting: Collecting,
    retracting: Retracting,
    mending: Mending,
    quarantine: QuarantineStore,
    schemas: Schemas,
    portraits: Portraits,
    watching: Watching,
    people: People,
    tenants: Tenants,
    clocks: TenantClocks,
) -> list[Service]:
    """Everything that the profile service answers."""
    return [
        Service(
            collector_pb.DESCRIPTOR.services_by_name["Collector"],
            collector_rpc.add_CollectorServicer_to_server,
            CollectorService(collecting, retracting),
        ),
        Service(
            profiles_pb.DESCRIPTOR.services_by_name["Profiles"],
            profiles_rpc.add_ProfilesServicer_to_server,
            ProfilesService(portraits, watching, people, tenants, clocks),
        ),
        Service(
            schemas_pb.DESCRIPTOR.services_by_name["Schemas"],
            schemas_rpc.add_SchemasServicer_to_server,
            SchemasService(schemas),
        ),
        Service(
            quarantine_pb.DESCRIPTOR.services_by_name["Quarantine"],
            quarantine_rpc.add_QuarantineServicer_to_server,
            QuarantineService(quarantine, mending),
        ),
    ]
