"""Every number of a request is bounded by what tables hold, so that PostgreSQL never has to refuse one."""

import importlib
import pkgutil
from collections.abc import Iterator
from typing import Any, Final

import portrait
import protovalidate
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message_factory import GetMessageClass

LARGEST: Final = {
    FieldDescriptor.CPPTYPE_INT32: 2**31 - 1,
    FieldDescriptor.CPPTYPE_INT64: 2**63 - 1,
    FieldDescriptor.CPPTYPE_UINT32: 2**32 - 1,
    FieldDescriptor.CPPTYPE_UINT64: 2**64 - 1,
}
UNBOUNDED: Final = {
    "portrait.log.v1.ReadLogRequest from_position",  # behind the end there is nothing
    "portrait.log.v1.ReadLogRequest limit",  # more than there are is all
    "portrait.log.v1.ReadKeyRequest from_position",
    "portrait.identity.v1.PublishRulesRequest rules.version",  # what the service says and nobody else
    "portrait.profile.v1.PublishSchemaRequest schema.version",
    "portrait.profile.v1.PublishSchemaRequest schema.revision",
    "portrait.tagging.v1.ImportTagsRequest rows.row",  # answered as they came
    "portrait.tagging.v1.UploadListRequest rows.row",
    "portrait.tagging.v1.CountSegmentRequest seed",  # chance begins anywhere
    "portrait.tagging.v1.ListMembersRequest seed",
}

Path = tuple[FieldDescriptor, ...]


def requests() -> Iterator[Descriptor]:
    for module in pkgutil.walk_packages(portrait.__path__, "portrait."):
        if module.name.endswith("_service_pb2"):
            for service in importlib.import_module(module.name).DESCRIPTOR.services_by_name.values():
                yield from (method.input_type for method in service.methods)


def numbers(message: Descriptor, within: tuple[str, ...] = ()) -> Iterator[Path]:
    """The way to each whole number in a message, but to those of Google's."""
    for field in message.fields:
        inner = field.message_type
        if field.cpp_type in LARGEST:
            yield (field,)
        elif inner is not None and inner.full_name not in within and not inner.full_name.startswith("google."):
            yield from ((field, *rest) for rest in numbers(inner, (*within, inner.full_name)))


def with_the_largest(request: Descriptor, path: Path) -> Any:
    message = GetMessageClass(request)()
    at: Any = message
    for step in path[:-1]:
        at = getattr(at, step.name).add() if step.is_repeated else getattr(at, step.name)
        at.SetInParent()
    *_, last = path
    if last.is_repeated:
        getattr(at, last.name).append(LARGEST[last.cpp_type])
    else:
        setattr(at, last.name, LARGEST[last.cpp_type])
    return message


def is_refused(request: Descriptor, path: Path) -> bool:
    """Whether the largest number there is a violation that names it."""
    violations = protovalidate.collect_violations(with_the_largest(request, path))
    named = [[step.field_name for step in one.proto.field.elements] for one in violations if one.proto.field]
    return [step.name for step in path] in named


def test_a_number_larger_than_tables_hold_is_refused_by_its_name() -> None:
    every = {one.full_name: one for one in requests()}
    assert len(every) > 50
    accepted = {
        f"{name} {'.'.join(step.name for step in path)}"
        for name, request in every.items()
        for path in numbers(request)
        if not is_refused(request, path)
    }
    assert accepted == UNBOUNDED
