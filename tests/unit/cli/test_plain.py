from typing import Any

import pytest
from google.protobuf.struct_pb2 import Struct
from google.protobuf.timestamp_pb2 import Timestamp
from portrait.log.v1 import event_pb2 as log_pb
from portrait.ops.v1 import projections_service_pb2 as ops_pb
from portrait.profile.v1 import profiles_service_pb2 as profiles_pb
from portrait.profile.v1 import schemas_service_pb2 as schemas_pb

from libs.cli.errors import BadInput
from libs.cli.plain import message_from, plain

SCHEMA = {
    "name": "visit_booked",
    "kind": "event",
    "weight": 3,
    "money_flow": "order",
    "properties": [{"name": "total", "type": "number", "role": "amount", "required": True}],
}


def test_large_numbers_stay_numbers_and_enums_become_words() -> None:
    said = plain(ops_pb.Projection(name="p", kind=ops_pb.PROJECTION_KIND_LAZY, lag_events=2**60))
    assert said["lag_events"] == 2**60
    assert said["kind"] == "lazy"


def test_a_word_that_is_not_known_here_stays_its_number() -> None:
    assert plain(log_pb.Event(mode=9))["mode"] == "9"  # type: ignore[arg-type]


def test_times_are_rfc_3339_and_absent_ones_absent() -> None:
    said = plain(profiles_pb.Trait(source="crm", occurred_at=Timestamp(seconds=1)))
    assert said["occurred_at"] == "1970-01-01T00:00:01Z"
    assert "value" not in said


def test_properties_keep_whole_numbers_whole() -> None:
    properties = Struct()
    properties.update({"price": 3, "rate": 1.5, "lines": [{"quantity": 2}]})
    said = plain(profiles_pb.TimelineEntry(properties=properties))["properties"]
    assert repr(said["price"]) == "3"
    assert said == {"price": 3, "rate": 1.5, "lines": [{"quantity": 2}]}


def test_keys_are_hexadecimal_and_payloads_are_what_they_say() -> None:
    said = plain(log_pb.Event(key=b"\x01\xff", payload='{"city":"上海"}'.encode()))
    assert said["key"] == "01ff"
    assert said["payload"] == {"city": "上海"}
    assert plain(log_pb.Event(payload=b"\xff{"))["payload"] == "\ufffd{"


def test_maps_are_mappings_in_order() -> None:
    said = plain(profiles_pb.Profile(traits={"b": profiles_pb.Trait(), "a": profiles_pb.Trait(source="crm")}))
    assert list(said["traits"]) == ["a", "b"]
    assert said["traits"]["a"]["source"] == "crm"


def test_what_is_shown_can_be_read_back() -> None:
    schema = message_from(schemas_pb.Schema, SCHEMA, "s.yaml")
    assert schema.properties[0].role == schemas_pb.PROPERTY_ROLE_AMOUNT
    shown = {name: value for name, value in plain(schema).items() if value}
    shown["properties"] = [{name: value for name, value in one.items() if value} for one in shown["properties"]]
    assert message_from(schemas_pb.Schema, shown, "s.yaml") == schema


@pytest.mark.parametrize(
    ("document", "complaint"),
    [
        ("text", "s.yaml: the document must be a mapping"),
        ({"nmae": "x"}, "s.yaml: nmae is unknown; did you mean name?"),
        ({"kind": "evnt"}, "s.yaml: kind is none of event, traits: 'evnt'; did you mean event?"),
        ({"weight": "3"}, "s.yaml: weight must be a whole number, not '3'"),
        ({"weight": True}, "s.yaml: weight must be a whole number, not True"),
        ({"properties": {"name": "total"}}, "s.yaml: properties must be a list"),
        ({"properties": ["total"]}, "s.yaml: properties[0] must be a mapping"),
        ({"properties": [{}, {"required": "yes"}]}, "s.yaml: properties[1].required must be true or false, not 'yes'"),
        ({"properties": [{"role": []}]}, "s.yaml: properties[0].role is none of"),
    ],
)
def test_what_a_file_gets_wrong_is_named_with_its_path(document: Any, complaint: str) -> None:
    with pytest.raises(BadInput) as refused:
        message_from(schemas_pb.Schema, document, "s.yaml")
    assert str(refused.value).startswith(complaint)


def test_a_number_too_large_for_its_field_is_refused() -> None:
    with pytest.raises(BadInput, match="weight"):
        message_from(schemas_pb.Schema, {"weight": 2**40}, "s.yaml")
