"""What a service tells of itself by reflection."""

from typing import Final

import grpc
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

_OWN: Final = ("grpc.health.", "grpc.reflection.")


def methods_of(target: str) -> set[str]:
    """Every method that the service tells of, gRPC's own apart."""
    with grpc.insecure_channel(target) as channel:
        told = ProtoReflectionDescriptorDatabase(channel)
        pool = DescriptorPool(told)
        return {
            f"{name}/{method.name}"
            for name in told.get_services()
            if not name.startswith(_OWN)
            for method in pool.FindServiceByName(name).methods
        }
