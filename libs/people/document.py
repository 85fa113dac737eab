"""Reading a document that people wrote, so that a mistake is named by its path."""

import re
from typing import Any, Final, get_args

from libs.runtime.clock import SECOND, Micros
from libs.runtime.errors import InvalidArgument

_DURATION: Final = re.compile(r"([1-9][0-9]{0,5})([hd])")
_UNITS: Final = {"h": 3600 * SECOND, "d": 86_400 * SECOND}


def fields(at: str, value: object, required: frozenset[str], optional: frozenset[str] = frozenset()) -> dict[Any, Any]:
    """A mapping with just these fields; raises `InvalidArgument`, as all functions here do."""
    entries = mapping(at, value)
    prefix = f"{at}." if at else ""
    known = required | optional
    for name in sorted(required - entries.keys()):
        raise InvalidArgument(f"{prefix}{name}", "is missing")
    for name in sorted(map(str, entries.keys() - known)):
        raise InvalidArgument(f"{prefix}{name}", f"is unknown; known are {', '.join(sorted(known))}")
    return entries


def mapping(at: str, value: object) -> dict[Any, Any]:
    """A mapping, of whatever."""
    if not isinstance(value, dict):
        raise InvalidArgument(at, "must be a mapping")
    return value


def whole(at: str, value: object) -> int:
    """A whole number."""
    # YAML reads `yes` as a bool, which Python takes for 1.
    if not isinstance(value, int) or isinstance(value, bool):
        raise InvalidArgument(at, "must be a whole number")
    return value


def count(at: str, value: object, greatest: int) -> int:
    """A whole number from 1 to the greatest."""
    number = whole(at, value)
    if not 0 < number <= greatest:
        raise InvalidArgument(at, f"must be from 1 to {greatest:,}")
    return number


def duration(at: str, value: object) -> Micros:
    """Hours or days, such as `36h` or `365d`, in microseconds."""
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise InvalidArgument(at, "must be hours or days, such as 36h or 365d")
    return int(match[1]) * _UNITS[match[2]]


def one_of(at: str, value: object, choices: Any) -> Any:
    """One of the values of a `Literal`."""
    names = get_args(choices)
    if value not in names:
        raise InvalidArgument(at, f"must be one of {', '.join(names)}, not {value!r}")
    return value


def texts(at: str, values: object) -> tuple[str, ...]:
    """A list of texts, in its order."""
    if not isinstance(values, list):
        raise InvalidArgument(at, "must be a list")
    for index, value in enumerate(values):
        if not isinstance(value, str):
            raise InvalidArgument(f"{at}[{index}]", "must be text; put numbers in quotes")
    return tuple(values)
