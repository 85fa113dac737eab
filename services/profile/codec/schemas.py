"""Schemas between the wire and the domain."""

from portrait.profile.v1 import schemas_service_pb2 as schemas_pb

from libs.rpc.times import timestamp
from services.profile.codec.words import choice, number, word
from services.profile.domain.schema import PropertySchema, Schema


def schema_from(wire: schemas_pb.Schema) -> Schema:
    """A schema as published; raises `InvalidArgument`."""
    return Schema(
        name=wire.name,
        kind=choice(word(schemas_pb.SchemaKind, wire.kind, "SCHEMA_KIND_")),
        description=wire.description,
        properties=tuple(_property_from(one) for one in wire.properties),
        unknown_properties=choice(
            word(schemas_pb.UnknownProperties, wire.unknown_properties, "UNKNOWN_PROPERTIES_"), "allow"
        ),
        weight=wire.weight,
        money_flow=choice(word(schemas_pb.MoneyFlow, wire.money_flow, "MONEY_FLOW_"), ""),
    )


def _property_from(wire: schemas_pb.Property) -> PropertySchema:
    return PropertySchema(
        name=wire.name,
        type=choice(word(schemas_pb.PropertyType, wire.type, "PROPERTY_TYPE_"), "any"),
        role=choice(word(schemas_pb.PropertyRole, wire.role, "PROPERTY_ROLE_"), None),
        required=wire.required,
        sensitivity=choice(word(schemas_pb.Sensitivity, wire.sensitivity, "SENSITIVITY_"), "internal"),
        description=wire.description,
    )


def schema_on_wire(schema: Schema) -> schemas_pb.Schema:
    """A schema as answered."""
    return schemas_pb.Schema(
        name=schema.name,
        kind=number(schemas_pb.SchemaKind, "SCHEMA_KIND_", schema.kind),
        description=schema.description,
        properties=[
            schemas_pb.Property(
                name=one.name,
                type=number(schemas_pb.PropertyType, "PROPERTY_TYPE_", one.type),
                role=number(schemas_pb.PropertyRole, "PROPERTY_ROLE_", one.role),
                required=one.required,
                sensitivity=number(schemas_pb.Sensitivity, "SENSITIVITY_", one.sensitivity),
                description=one.description,
            )
            for one in schema.properties
        ],
        unknown_properties=number(schemas_pb.UnknownProperties, "UNKNOWN_PROPERTIES_", schema.unknown_properties),
        weight=schema.weight,
        money_flow=number(schemas_pb.MoneyFlow, "MONEY_FLOW_", schema.money_flow),
        version=schema.version,
        revision=schema.revision,
        etag=schema.etag,
        published_at=timestamp(schema.published_at),
    )
