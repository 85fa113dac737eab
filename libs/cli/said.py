"""How people and places in logs are named at the command line."""

import re
from typing import Final

from portrait.log.v1.event_pb2 import Position
from portrait.profile.v1.interaction_pb2 import Identifier

from libs.cli.errors import BadInput

_PERSON_ID: Final = re.compile(r"[0-9a-f]{32}").fullmatch
_POSITION: Final = re.compile(r"(\d{1,4}):(\d{1,19})").fullmatch


def is_person_id(said: str) -> bool:
    """Whether a OneID was typed."""
    return _PERSON_ID(said) is not None


def identifier_said(said: str, where: str = "IDENTIFIER", wanted: str = "not") -> Identifier:
    """An identifier as typed; `wanted` is what else it might have been. Raises `BadInput`."""
    type_, colon, value = said.partition(":")
    if not (type_ and colon and value):
        raise BadInput(where, f"{said!r} is {wanted} type:value, such as phone:13800138000")
    return Identifier(type=type_, value=value)


def position_said(where: str, said: str) -> Position:
    """A place in a log as typed. Raises `BadInput`."""
    position = _POSITION(said)
    if position is None:
        raise BadInput(where, f"{said!r} is not partition:position, such as 3:1207")
    return Position(partition=int(position[1]), position=int(position[2]))
