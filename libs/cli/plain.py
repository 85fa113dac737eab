"""Messages as plain data and back: enums are words, times RFC 3339, so that what one command shows another takes."""

import json
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, Final, TypeVar, cast

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Struct, Value
from google.protobuf.timestamp_pb2 import Timestamp

from libs.cli.errors import BadInput

M = TypeVar("M", bound=Message)

_DOCUMENTS: Final = frozenset({"document", "payload"})
_SCALARS: Final[Mapping[int, type]] = {
    FieldDescriptor.CPPTYPE_STRING: str,
    FieldDescriptor.CPPTYPE_BOOL: bool,
    **dict.fromkeys(
        (
            FieldDescriptor.CPPTYPE_INT32,
            FieldDescriptor.CPPTYPE_INT64,
            FieldDescriptor.CPPTYPE_UINT32,
            FieldDescriptor.CPPTYPE_UINT64,
        ),
        int,
    ),
}
_NAMES: Final = {str: "text", bool: "true or false", int: "a whole number"}


def plain(message: Message) -> dict[str, Any]:
    """A message as JSON data. Bytes are hexadecimal; documents and payloads are what they say, where they are JSON."""
    return {
        field.name: _plain_field(field, getattr(message, field.name))
        for field in cast("Descriptor", message.DESCRIPTOR).fields
        if not field.has_presence or message.HasField(field.name)
    }


def document(data: bytes) -> Any:
    """What a JSON document says; its text where it is none."""
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return data.decode(errors="replace")


def word(enum: EnumDescriptor, number: int) -> str:
    """The word for a value, such as `order` for MONEY_FLOW_ORDER; empty for none, the number for one unknown here."""
    value = enum.values_by_number.get(number)
    if value is None:
        return str(number)
    return value.name.removeprefix(_prefix(enum)).lower() if number else ""


def message_from(kind: type[M], data: Any, where: str, path: str = "") -> M:
    """The message that plain data describe; raises `BadInput` with the path at fault. Only what files hold is known:
    text, numbers, truth, enums, messages and lists of them.
    """
    message = kind()
    _fill(message, data, where, path)
    return message


def _plain_field(field: FieldDescriptor, value: Any) -> Any:
    kind = field.message_type
    if kind is not None and kind.GetOptions().map_entry:
        entry = kind.fields_by_name["value"]
        return {str(key): _plain_value(entry, value[key]) for key in sorted(value)}
    if field.is_repeated:
        return [_plain_value(field, one) for one in value]
    return _plain_value(field, value)


def _plain_value(field: FieldDescriptor, value: Any) -> Any:
    match value:
        case Timestamp() | Duration():
            return value.ToJsonString()
        case Struct() | Value():
            return _whole(MessageToDict(value))
        case Message():
            return plain(value)
        case bytes():
            return document(value) if field.name in _DOCUMENTS else value.hex()
        case _ if field.enum_type is not None:
            return word(field.enum_type, value)
        case _:
            return value


def _whole(value: Any) -> Any:
    """JSON numbers travel as floats, and 3.0 was a 3."""
    match value:
        case float() if value.is_integer():
            return int(value)
        case dict():
            return {name: _whole(one) for name, one in value.items()}
        case list():
            return [_whole(one) for one in value]
        case _:
            return value


def _fill(message: Message, data: Any, where: str, path: str) -> None:
    if not isinstance(data, dict):
        raise BadInput(where, f"{path or 'the document'} must be a mapping")
    descriptor = cast("Descriptor", message.DESCRIPTOR)
    for name, value in data.items():
        at = f"{path}.{name}" if path else str(name)
        field = descriptor.fields_by_name.get(str(name))
        if field is None:
            raise BadInput(where, f"{at} is unknown{_nearest(str(name), descriptor.fields_by_name)}")
        if not field.is_repeated:
            _set(message, field, value, where, at)
            continue
        if not isinstance(value, list):
            raise BadInput(where, f"{at} must be a list")
        for index, one in enumerate(value):
            _add(message, field, one, where, f"{at}[{index}]")


def _set(message: Message, field: FieldDescriptor, value: Any, where: str, at: str) -> None:
    if field.message_type is not None:
        _fill(getattr(message, field.name), value, where, at)
        return
    try:
        setattr(message, field.name, _scalar(field, value, where, at))
    except ValueError as error:  # a number that the field has no room for
        raise BadInput(where, f"{at}: {error}") from None


def _add(message: Message, field: FieldDescriptor, value: Any, where: str, at: str) -> None:
    values = getattr(message, field.name)
    if field.message_type is not None:
        _fill(values.add(), value, where, at)
    else:
        values.append(_scalar(field, value, where, at))


def _scalar(field: FieldDescriptor, value: Any, where: str, at: str) -> Any:
    if field.enum_type is not None:
        return _number(field.enum_type, value, where, at)
    kind = _SCALARS[field.cpp_type]
    if type(value) is not kind:  # exactly: YAML's `yes` is a bool, which Python would take for 1
        raise BadInput(where, f"{at} must be {_NAMES[kind]}, not {value!r}")
    return value


def _number(enum: EnumDescriptor, value: Any, where: str, at: str) -> int:
    words = {word(enum, one.number): one.number for one in enum.values if one.number}
    if value == "":  # how `plain` says that nothing is said
        return 0
    if not isinstance(value, str) or value not in words:
        raise BadInput(where, f"{at} is none of {', '.join(words)}: {value!r}{_nearest(str(value), words)}")
    return words[value]


def _nearest(name: str, known: Mapping[str, Any]) -> str:
    near = get_close_matches(name, list(known), 1)
    return f"; did you mean {near[0]}?" if near else f"; known are {', '.join(known)}"


def _prefix(enum: EnumDescriptor) -> str:
    return enum.values[0].name.removesuffix("UNSPECIFIED")
