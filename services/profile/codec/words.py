"""The values of enums, as the words that the domain uses."""

from typing import Any

from libs.runtime.errors import InvalidArgument


def word(enum: Any, value: int, prefix: str) -> str:
    """The domain's word for an enum's value, such as "track"; empty for UNSPECIFIED."""
    try:
        name = enum.Name(value).removeprefix(prefix).lower()
    except ValueError:
        raise InvalidArgument(prefix.rstrip("_").lower(), f"{value} is not a value that this release knows") from None
    return "" if name == "unspecified" else name


def choice(word: str, default: Any = "") -> Any:
    """The word, or what stands for UNSPECIFIED."""
    return word or default


def number(enum: Any, prefix: str, name: str | None) -> Any:
    """The enum's value for a word of the domain; UNSPECIFIED for what the wire has no word for."""
    return dict(enum.items()).get(f"{prefix}{(name or '').upper()}", 0)
