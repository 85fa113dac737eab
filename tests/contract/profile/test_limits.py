"""The collector checks by hand what the rules in the protos say, because it is too hot for protovalidate.

Requests are made from the descriptors, with values on both sides of every rule found there, so that a rule which is
added or changed is held against the collector without a word here. What the collector refuses beyond the rules (a
track without a name, text with control characters, an interaction of nobody) is kept out of the requests.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

import grpc
import protovalidate
import pytest
from buf.validate import validate_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from hypothesis import given, settings
from hypothesis import strategies as st
from portrait.profile.v1 import collector_service_pb2 as pb
from portrait.profile.v1 import interaction_pb2

from tests.support.profile import RECORDED, Client

RULES: Final = validate_pb2.field  # type: ignore[attr-defined]  # made when it is imported
VALIDATOR: Final = protovalidate.Validator()
UNDERSTOOD: Final = {"string.min_bytes", "string.max_bytes", "enum.defined_only", "enum.not_in", "repeated.max_items"}
LEFT_TO_EACH: Final = "repeated.items"  # IGNORE_ALWAYS: the collector leaves out an identifier that breaks a rule

# Free-form parts and times, whose faults are not rules of lengths and numbers.
FREE: Final = {"documents", "validate_only", "properties", "traits", "context", "occurred_at", "expires_at"}

BASE: Final = pb.CollectRequest(
    interactions=[
        interaction_pb2.Interaction(
            message_id="m1",
            type=interaction_pb2.INTERACTION_TYPE_TRACK,
            event="product_viewed",
            identifiers=[
                interaction_pb2.Identifier(type="user_id", value="somebody-in-particular"),
                interaction_pb2.Identifier(type="phone", value="+8613912345678"),
            ],
            consents=[
                interaction_pb2.Consent(purpose="marketing", channel="sms", state=interaction_pb2.CONSENT_STATE_GRANTED)
            ],
        )
    ]
)
"""Somebody can be found in it whatever becomes of the rest."""


@dataclass(frozen=True, slots=True)
class Spot:
    """A field of the request, by the names on the way to it, and values around its rules."""

    path: tuple[str, ...]
    field: FieldDescriptor
    values: Sequence[Any]

    def put(self, request: Any, value: Any) -> None:
        """Set the field of the last element on the way; of a list, the number of its elements."""
        here = request
        for name in self.path[:-1]:
            here = getattr(here, name)[-1]
        if self.field.is_repeated:
            entries = getattr(here, self.field.name)
            del entries[value:]
            entries.extend([entries[-1]] * (value - len(entries)))
        else:
            setattr(here, self.field.name, value)


def spots(message: Descriptor, path: tuple[str, ...] = ()) -> Iterator[Spot]:
    """Every field that has rules or could get some; those of lists come after what their elements hold."""
    for field in message.fields:
        if field.name in FREE:
            continue
        if field.is_repeated:
            yield from spots(cast("Descriptor", field.message_type), (*path, field.name))
        yield Spot((*path, field.name), field, list(values(field)))


def values(field: FieldDescriptor) -> Iterator[Any]:
    rules = field.GetOptions().Extensions[RULES]
    names = {f"{kind.name}.{rule.name}" for kind, value in rules.ListFields() for rule, _ in value.ListFields()}
    assert names <= UNDERSTOOD | {LEFT_TO_EACH}, f"{field.full_name}: teach this test what its rules mean"
    if field.is_repeated:
        limit = rules.repeated.max_items or 2
        yield from (1, limit - 1, limit, limit + 1)
    elif field.enum_type is not None:
        yield from (*field.enum_type.values_by_number, 99, -1)
    elif field.type == FieldDescriptor.TYPE_STRING:
        # Two bytes a letter, so that counting letters instead of bytes would show.
        for length in (0, 1, rules.string.max_bytes - 1, rules.string.max_bytes, rules.string.max_bytes + 1):
            if length > 0 or rules.string.min_bytes or field.name != "event":
                yield "é" * (length // 2) + "a" * (length % 2)
    else:
        yield from (False, True)


SPOTS: Final = list(spots(pb.CollectRequest.DESCRIPTOR))


def allowed(request: pb.CollectRequest) -> bool:
    """What the rules in the protos say."""
    try:
        VALIDATOR.validate(request)
    except protovalidate.ValidationError:
        return False
    return True


async def accepted(client: Client, request: pb.CollectRequest) -> bool:
    """What the collector says: an interaction that it would quarantine is not accepted."""
    try:
        answer = await client.collector.Collect(request)
    except grpc.aio.AioRpcError as error:
        if error.code() != grpc.StatusCode.INVALID_ARGUMENT:
            raise
        return False
    return all(one.outcome == RECORDED for one in answer.results)


def changed(*changes: tuple[Spot, Any]) -> pb.CollectRequest:
    """The base with some fields set, elements before the lists that hold them."""
    request = pb.CollectRequest(validate_only=True)
    request.MergeFrom(BASE)
    for spot, value in sorted(changes, key=lambda change: SPOTS.index(change[0])):
        spot.put(request, value)
    return request


@pytest.mark.parametrize("spot", SPOTS, ids=lambda spot: ".".join(spot.path))
async def test_the_collector_accepts_a_value_exactly_if_the_rules_allow_it(demo: Client, spot: Spot) -> None:
    for value in spot.values:
        request = changed((spot, value))
        assert await accepted(demo, request) == allowed(request), value


@given(st.lists(st.sampled_from(SPOTS), max_size=4, unique_by=lambda spot: spot.path), st.data())
@settings(max_examples=150)
async def test_the_collector_accepts_a_request_exactly_if_the_rules_allow_it(
    demo: Client, some: list[Spot], data: st.DataObject
) -> None:
    request = changed(*((spot, data.draw(st.sampled_from(spot.values))) for spot in some))
    assert await accepted(demo, request) == allowed(request)


def test_the_rules_allow_some_of_the_values_and_forbid_others() -> None:
    verdicts = {spot.path: {allowed(changed((spot, value))) for value in spot.values} for spot in SPOTS}
    assert verdicts["interactions", "type"] == verdicts["interactions", "consents", "purpose"] == {True, False}
    assert verdicts["interactions", "identifiers"] == verdicts["mode",] == verdicts["import_id",] == {True, False}
    assert verdicts["interactions", "identifiers", "value"] == {True}, "an identifier that is refused is left out"
