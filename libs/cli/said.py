"""How people, crowds and places in logs are named at the command line."""

import re
from pathlib import Path
from typing import Final

from portrait.log.v1.event_pb2 import Position
from portrait.profile.v1.interaction_pb2 import Identifier
from portrait.tagging.v1.membership_pb2 import CrowdReference

from libs.cli.errors import BadInput
from libs.runtime.errors import InvalidArgument
from libs.runtime.strict_yaml import read_yaml, write_yaml

_PERSON_ID: Final = re.compile(r"[0-9a-f]{32}").fullmatch
_KEY: Final = re.compile(r"[a-z][a-z0-9_]{0,63}").fullmatch
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


def crowd_said(said: str, where: str = "CROWD") -> CrowdReference:
    """Who is meant: a condition, the key of a segment, or a file with one of the two's documents. Raises `BadInput`."""
    if said.lstrip().startswith("{"):
        return CrowdReference(document=said)
    if _KEY(said):
        return CrowdReference(segment=said)
    try:
        return CrowdReference(document=_condition_in(said, Path(said).read_text(encoding="utf-8")))
    except FileNotFoundError:
        told = "is neither the key of a segment, nor a file that is there, nor a condition such as '{tag: vip}'"
        raise BadInput(where, f"{said!r} {told}") from None
    except (OSError, ValueError) as error:
        raise BadInput(where, f"{said!r} can't be read: {error}") from error


def _condition_in(file: str, text: str) -> str:
    """The condition in a document, or of the segment that it defines."""
    try:
        document = read_yaml(text)
    except InvalidArgument:  # the service says where
        return text
    if not isinstance(document, dict) or "segment" not in document:
        return text
    if "list" in document:
        raise BadInput(file, "defines a list, whose people only the published segment knows: name it by its key")
    return write_yaml(document["when"]) if "when" in document else text


def position_said(where: str, said: str) -> Position:
    """A place in a log as typed. Raises `BadInput`."""
    position = _POSITION(said)
    if position is None:
        raise BadInput(where, f"{said!r} is not partition:position, such as 3:1207")
    return Position(partition=int(position[1]), position=int(position[2]))
