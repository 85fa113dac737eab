"""Conditions as protobuf, `portrait.conditions.v1`.

A message says what a document says, word by word, and passes through the same gates: it is read by the reader of
documents and made from the canonical document. So neither form can say what the other can't, and what the language
learns needs a field of its name in the message, and mostly nothing here.
"""

from collections.abc import Mapping
from typing import Any

from google.protobuf.message import Message
from google.protobuf.unknown_fields import UnknownFieldSet
from portrait.conditions.v1 import condition_pb2 as pb

from libs.conditions.comparisons import Scalar
from libs.conditions.reading import read_said
from libs.conditions.said import Said
from libs.conditions.tree import Condition
from libs.conditions.windows import Days, Hours, read_length
from libs.conditions.wire_words import INLINE, LISTS, NAMED, NAMING, fields_of, required_of, words_of
from libs.conditions.writing import write_document
from libs.runtime.errors import InvalidArgument, TooLarge
from libs.runtime.strict_yaml import MOST_BYTES


def to_wire(condition: Condition) -> pb.Condition:
    """The message that says a condition."""
    wire = pb.Condition()
    _say(wire, write_document(condition))
    return wire


def from_wire(wire: pb.Condition, path: str = "") -> Condition:
    """The condition that a message says.

    Raises `InvalidArgument` with the path of the field, which `path` is put before, and `TooLarge`.
    """
    size = wire.ByteSize()
    if size > MOST_BYTES:
        raise TooLarge("bytes of the condition", size, MOST_BYTES)
    return read_said(_SaidOnWire(wire, path))


def length_to_wire(written: str) -> pb.Length:
    """The message that says a length such as "7d" or "36h"."""
    wire = pb.Length()
    _say(wire, written)
    return wire


def length_from_wire(wire: pb.Length) -> str:
    """A length as documents write it, whose reader says whether it can be."""
    return f"{wire.days}d" if wire.HasField("days") else f"{wire.hours}h"


class _SaidOnWire(Said):
    """A part of a message as the part of a document that says the same.

    What lies deeper is looked at when it is read, so that the reader's bounds hold here, too.
    """

    __slots__ = ("_places",)

    def __init__(self, value: Any, path: str = "") -> None:
        self._places: Mapping[str, str] = {}
        if isinstance(value, Message):
            value, path, self._places = _heard(value, path)
        super().__init__(value, path)

    def _at(self, name: str) -> Said:
        return _SaidOnWire(self.value.get(name), self._places.get(name) or _under(self.path, name))


def _heard(message: Message, path: str) -> tuple[Any, str, Mapping[str, str]]:
    """What one message says, its path, and the paths of its entries by their names."""
    _check(message, path)
    match message:
        case pb.Edge() if message.HasField("value"):
            return _heard(message.value, _under(path, "value"))
        case pb.Length() | pb.Value():
            return _plain(message), path, {}
    kind = message.DESCRIPTOR.name
    if kind in LISTS:
        return list(getattr(message, LISTS[kind])), _under(path, LISTS[kind]), {}
    if kind in NAMING:
        name = getattr(message, NAMED[kind])
        for field, value in message.ListFields():
            if field.name != NAMED[kind]:
                return {name: value}, path, {name: _under(path, field.name)}
        return name, _under(path, NAMED[kind]), {}
    places = {word: _under(path, ".".join(fields)) for word, fields in fields_of(message.DESCRIPTOR).items()}
    return _entries(message, path), path, places


def _entries(message: Message, path: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for field, value in message.ListFields():
        if field.name in INLINE:
            place = _under(path, field.name)
            _check(value, place)
            inner = _entries(value, place)
            if not inner:
                raise InvalidArgument(place, "says nothing")
            found |= inner
        else:
            found[words_of(field.name)[0]] = list(value) if field.is_repeated else value
    return found


def _check(message: Message, path: str) -> None:
    """Refuse what would read as if it were not there: fields of a later release, and what the rules say is required."""
    unknown = UnknownFieldSet(message)
    if len(unknown):
        raise InvalidArgument(path, f"holds field {unknown[0].field_number}, which this release does not know")
    required, choices = required_of(message.DESCRIPTOR)
    given = {field.name for field, _ in message.ListFields()}
    for name in required:
        if name not in given:
            raise InvalidArgument(_under(path, name), "is missing")
    for names in choices:
        if given.isdisjoint(names):
            raise InvalidArgument(path, f"needs one of {', '.join(names)}")


def _say(message: Message, said: Any) -> None:
    kind = message.DESCRIPTOR.name
    match message, said:
        case pb.Length(), str():
            _say_length(message, said)
        case pb.Value(), _:
            _say_value(message, said)
        case pb.Edge(), {"of": _}:
            _say(message.value, said)
        case _, _ if kind in LISTS:
            _put(message, LISTS[kind], said)
        case _, str():
            setattr(message, NAMED[kind], said)
        case _, _ if kind in NAMING:
            ((name, asked),) = said.items()
            setattr(message, NAMED[kind], name)
            _put(message, _asking(message, asked), asked)
        case _:
            for word, value in said.items():
                *outer, name = fields_of(message.DESCRIPTOR)[word]
                inner = message
                for field in outer:
                    inner = getattr(inner, field)
                _put(inner, name, value)


def _put(message: Message, name: str, value: Any) -> None:
    field = message.DESCRIPTOR.fields_by_name[name]
    if field.is_repeated:
        for one in value if isinstance(value, list) else [value]:
            if field.message_type:
                _say(getattr(message, name).add(), one)
            else:
                getattr(message, name).append(one)
    elif field.message_type:
        getattr(message, name).SetInParent()
        _say(getattr(message, name), value)
    else:
        setattr(message, name, value)


def _asking(message: Message, asked: Mapping[str, Any]) -> str:
    """The field, beside the one that holds the name, whose message has the words of what is asked."""
    inner = {field.name: field.message_type for field in message.DESCRIPTOR.fields if field.message_type}
    return next(name for name, type_ in inner.items() if asked.keys() <= fields_of(type_).keys())


def _plain(wire: pb.Length | pb.Value) -> Scalar:
    """A length as it is written, a value as it is."""
    if isinstance(wire, pb.Length):
        return length_from_wire(wire)
    match wire.WhichOneof("value"):
        case "text":
            return wire.text
        case "flag":
            return wire.flag
        case _:
            return int(wire.number) if wire.number.is_integer() else wire.number


def _say_length(wire: pb.Length, written: str) -> None:
    match read_length(written):
        case Days(days):
            wire.days = days
        case Hours(hours):
            wire.hours = hours
        case None:
            raise AssertionError(f"{written} is written as no length is")


def _say_value(wire: pb.Value, scalar: Scalar) -> None:
    match scalar:
        case bool():
            wire.flag = scalar
        case str():
            wire.text = scalar
        case _:
            wire.number = scalar


def _under(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
