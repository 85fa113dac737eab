import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from portrait.ops.v1.projections_service_pb2 import DeadLetter, ListDeadLettersResponse

from libs.rpc.masks import check_mask, masked
from libs.runtime.errors import InvalidArgument


def test_known_paths_pass_and_select() -> None:
    mask = FieldMask(paths=["projection", "position.partition"])
    check_mask(mask, DeadLetter.DESCRIPTOR)
    letter = DeadLetter(projection="portraits", cause="odd")
    letter.position.partition = 3
    letter.position.position = 9
    wanted = masked(letter, mask)
    assert (wanted.projection, wanted.position.partition) == ("portraits", 3)
    assert (wanted.cause, wanted.position.position) == ("", 0)


def test_whole_fields_are_selected() -> None:
    letter = DeadLetter(projection="portraits", cause="odd", key=b"k")
    letter.position.partition = 3
    wanted = masked(letter, FieldMask(paths=["cause", "position"]))
    assert (wanted.cause, wanted.position.partition) == ("odd", 3)
    assert (wanted.projection, wanted.key) == ("", b"")


def test_an_empty_mask_wants_everything() -> None:
    letter = DeadLetter(projection="portraits", cause="odd")
    assert masked(letter, FieldMask()) == letter


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("projektion", "did you mean 'projection'"),
        ("position.partitions", "Position has no field 'partitions'"),
        ("cause.text", "no parts of its own"),
        ("", "is unknown"),
        ("position.", "is unknown"),
    ],
)
def test_an_unknown_path_is_named(path: str, says: str) -> None:
    with pytest.raises(InvalidArgument, match=says) as caught:
        check_mask(FieldMask(paths=["projection", path]), DeadLetter.DESCRIPTOR)
    assert caught.value.field == "field_mask"


def test_the_elements_of_a_list_can_not_be_selected_from() -> None:
    check_mask(FieldMask(paths=["dead_letters"]), ListDeadLettersResponse.DESCRIPTOR)
    with pytest.raises(InvalidArgument):
        check_mask(FieldMask(paths=["dead_letters.cause"]), ListDeadLettersResponse.DESCRIPTOR)
