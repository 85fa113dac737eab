"""Field masks: which parts of an answer are wanted."""

from difflib import get_close_matches
from typing import TypeVar

from google.protobuf.descriptor import Descriptor
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message

from libs.runtime.errors import InvalidArgument

Answer = TypeVar("Answer", bound=Message)


def check_mask(mask: FieldMask, descriptor: Descriptor, field: str = "field_mask") -> None:
    """Raise `InvalidArgument` naming the first path that messages of this kind don't have."""
    for path in mask.paths:
        _check_path(path, descriptor, field)


def masked(answer: Answer, mask: FieldMask) -> Answer:
    """The wanted parts of an answer, which may change; all of it if the mask is empty. The mask must have been checked.

    Whole fields are left by clearing the others: copying them out would cost more than filling them in did.
    """
    if not mask.paths:
        return answer
    if any("." in path for path in mask.paths):
        wanted = type(answer)()
        mask.MergeMessage(answer, wanted)
        return wanted
    for field, _ in answer.ListFields():
        if field.name not in mask.paths:
            answer.ClearField(field.name)
    return answer


def _check_path(path: str, descriptor: Descriptor, field: str) -> None:
    here: Descriptor | None = descriptor
    for name in path.split("."):
        if here is None:
            raise InvalidArgument(field, f"{path!r} goes into a field that has no parts of its own")
        found = here.fields_by_name.get(name)
        if found is None:
            near = get_close_matches(name, here.fields_by_name, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise InvalidArgument(field, f"{path!r} is unknown: {here.name} has no field {name!r}{hint}")
        # A mask can select a list, but nothing inside its elements.
        here = None if found.is_repeated else found.message_type
