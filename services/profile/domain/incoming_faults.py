"""What exactly is wrong with a document that could not be read. Never on the hot path, so it may read it again."""

import json
import re
from collections.abc import Mapping
from typing import Any, Final, get_args

import msgspec
from msgspec import Raw

from services.profile.domain.incoming_limits import MAX_DEPTH, deeper_than
from services.profile.domain.interaction import MAX_PROPERTIES, ConsentState, Kind
from services.profile.domain.rejection import Reason, Rejected

# msgspec tells the path of a fault only in its text; the corpus of odd documents notices if a release words it anew.
_FAULT: Final = re.compile(r"(?P<what>.*?)(?: - at `\$\.?(?P<path>.*)`)?", re.DOTALL)
_STEP: Final = re.compile(r"([^.\[\]]+)|\[(\d+|\.\.\.)\]")
_HALF_PAIR: Final = re.compile(rb"\\u[dD][89a-fA-F]")
_ENTRIES: Final[Mapping[str, Any]] = {"identifiers": str | int | list[str | int] | None, "consents": bool}


def fault(document: bytes, error: msgspec.DecodeError) -> Rejected:
    """Why UTF-8 text could not be read as an interaction; `error` is the first that the reader met."""
    try:
        msgspec.json.decode(document, type=Raw)
    except msgspec.DecodeError as syntax:
        return _malformed(document, syntax)
    except RecursionError:
        return too_deep()
    if deeper_than(MAX_DEPTH, document):
        return too_deep()
    return _ill_typed(document, error) if isinstance(error, msgspec.ValidationError) else _malformed(document, error)


def too_deep() -> Rejected:
    """The fault of a document that a reader might not come to the bottom of."""
    return Rejected(Reason.TOO_DEEP, "", f"lists and objects are nested more than {MAX_DEPTH} deep")


def _malformed(document: bytes, error: msgspec.DecodeError) -> Rejected:
    if _HALF_PAIR.search(document) and _is_json_to_others(document):
        return Rejected(Reason.INVALID_TEXT, "", "a \\ud800-\\udfff escape stands alone: it is half of a character")
    return Rejected(Reason.MALFORMED_JSON, "", f"this is not JSON: {str(error).removeprefix('JSON is malformed: ')}")


def _ill_typed(document: bytes, error: msgspec.ValidationError) -> Rejected:
    told = _FAULT.fullmatch(str(error))
    what, path = (told["what"], _full_path(document, told["path"] or "")) if told else (str(error), "")
    if what.startswith("Object missing required field"):
        name = what.split("`")[1]
        return Rejected(Reason.MISSING_FIELD, f"{path}.{name}" if path else name, f"{name} is missing")
    if "of length <=" in what:
        return Rejected(Reason.TOO_MANY_PROPERTIES, path, f"there are more than {MAX_PROPERTIES:,}")
    if "out of range" in what:
        return Rejected(Reason.NUMBER_OUT_OF_RANGE, path, "the number is too large to be kept")
    if what.startswith("Invalid enum value"):
        known = get_args(Kind if path == "type" else ConsentState)
        reason = Reason.UNKNOWN_TYPE if path == "type" else Reason.WRONG_TYPE
        return Rejected(reason, path, f"must be one of {', '.join(known)}")
    return Rejected(Reason.WRONG_TYPE, path, what.replace("`", "").replace("Expected", "expected"))


def _is_json_to_others(document: bytes) -> bool:
    try:
        json.loads(document)
    except (ValueError, RecursionError):
        return False
    return True


def _full_path(document: bytes, path: str) -> str:
    """The path with its keys, which msgspec leaves out: `identifiers[...]` becomes `identifiers.phone`."""
    at, here, entry = "", Raw(document), Any
    try:
        for name, index in _STEP.findall(path):
            if name:
                here = msgspec.json.decode(here, type=dict[str, Raw])[name]
                entry = entry if at else _ENTRIES.get(name, Any)
                at = f"{at}.{name}" if at else name
            elif index == "...":
                key, here = _faulty_entry(here, entry)
                at, entry = f"{at}.{key}", Any
            else:
                here = msgspec.json.decode(here, type=list[Raw])[int(index)]
                at = f"{at}[{index}]"
    except (msgspec.DecodeError, LookupError):
        return at  # a field given twice: the path may be one of the first, which is not there any more
    return at


def _faulty_entry(here: Raw, entry: Any) -> tuple[str, Raw]:
    for key, value in msgspec.json.decode(here, type=dict[str, Raw]).items():
        try:
            msgspec.json.decode(value, type=entry)
        except msgspec.DecodeError:
            return key, value
    raise LookupError
