"""A part of a document together with its path, so that whatever is wrong is told at its place."""

from collections.abc import Collection, Iterator, Mapping
from copy import copy
from difflib import get_close_matches
from heapq import nsmallest
from typing import Any, Final, NoReturn

from libs.conditions.comparisons import Scalar
from libs.conditions.numbers import LARGEST, SCALE, fixed
from libs.conditions.windows import MOST_DAYS, MOST_HOURS, Days, Hours, Length, read_day, read_length
from libs.runtime.errors import InvalidArgument

MOST_ENTRIES: Final = 1000
LONGEST_TEXT: Final = 1024
LONGEST_COMPARED: Final = 64
"""Characters of a name for which a similar one is looked for."""
MOST_COMPARED: Final = 20


class Said:
    """A value of a document and the path that leads to it; each reading raises `InvalidArgument` with that path."""

    __slots__ = ("path", "value")

    def __init__(self, value: Any, path: str = "") -> None:
        self.value = value
        self.path = path

    def fail(self, message: str) -> NoReturn:
        """Refuse this part."""
        raise InvalidArgument(self.path, message)

    def fields(self, *known: str, needs: tuple[str, ...] = ()) -> Mapping[str, "Said"]:
        """The entries of a mapping that may hold only what is known, and holds what is needed."""
        found = self.entries()
        for name, one in found.items():
            if name not in known:
                one.fail(f"is not known here{_nearest(name, known)}; there are {', '.join(sorted(known))}")
        for name in needs:
            if name not in found:
                self._at(name).fail("is missing")
        return found

    def entries(self) -> Mapping[str, "Said"]:
        """The entries of a mapping whose names are free."""
        if not isinstance(self.value, dict):
            self.fail(f"must be a mapping, not {_noun(self.value)}")
        if len(self.value) > MOST_ENTRIES:
            self.fail(f"has more than {MOST_ENTRIES:,} entries")
        for name in self.value:
            if not isinstance(name, str) or not name:
                self.fail(f"has the name {name!r}, which must be a text")
        return {name: self._at(name) for name, _ in self.value.items()}

    def only(self) -> tuple[str, "Said"]:
        """The name and the value of a mapping that has one entry."""
        entries = self.entries()
        if len(entries) != 1:
            self.fail(f"must have exactly one entry, not {len(entries)}")
        return next(iter(entries.items()))

    def without(self, name: str) -> "Said":
        """The same mapping but for one entry."""
        rest = copy(self)
        rest.value = {other: value for other, value in self.value.items() if other != name}
        return rest

    def items(self, most: int = MOST_ENTRIES) -> Iterator["Said"]:
        """The entries of a list that is not empty."""
        if not isinstance(self.value, list):
            self.fail(f"must be a list, not {_noun(self.value)}")
        if not self.value:
            self.fail("is empty")
        if len(self.value) > most:
            self.fail(f"has more than {most:,} entries")
        return (type(self)(value, f"{self.path}[{index}]") for index, value in enumerate(self.value))

    def text(self) -> str:
        """A text that is not empty."""
        if not isinstance(self.value, str):
            self.fail(f"must be a text, not {_noun(self.value)}")
        if not self.value.strip():
            self.fail("is empty")
        if len(self.value) > LONGEST_TEXT:
            self.fail(f"is longer than {LONGEST_TEXT:,} characters")
        return self.value

    def texts(self) -> tuple[str, ...]:
        """One text, or a list of them, sorted and each once."""
        if isinstance(self.value, list):
            return tuple(sorted({one.text() for one in self.items()}))
        return (self.text(),)

    def scalar(self) -> Scalar:
        """A text, a number, or true or false."""
        if isinstance(self.value, str):
            return self.text() if self.value else ""
        if isinstance(self.value, int | float):
            if not -LARGEST <= self.value <= LARGEST:  # which refuses what YAML calls .nan, too
                self.fail("is too large a number")
            return self.value
        return self.fail(f"must be a text, a number, or true or false, not {_noun(self.value)}")

    def flag(self) -> bool:
        """True or false."""
        if not isinstance(self.value, bool):
            self.fail(f"must be true or false, not {_noun(self.value)}")
        return self.value

    def number(self) -> int:
        """A number in ten-thousandths."""
        if isinstance(self.value, bool) or not isinstance(self.value, int | float):
            self.fail(f"must be a number, not {_noun(self.value)}")
        number = fixed(self.value)
        if number is None:
            self.fail("is too large a number")
        if number / SCALE != self.value:
            self.fail("has more than four decimals")
        return number

    def whole(self, least: int, most: int) -> int:
        """A whole number within limits."""
        if isinstance(self.value, bool) or not isinstance(self.value, int):
            self.fail(f"must be a whole number, not {_noun(self.value)}")
        if not least <= self.value <= most:
            self.fail(f"must be between {least:,} and {most:,}")
        return self.value

    def length(self, most_days: int = MOST_DAYS) -> Length:
        """A length such as "7d" or "36h"."""
        length = read_length(self.text())
        match length:
            case Days(days) if days <= most_days:
                return length
            case Hours(hours) if hours <= MOST_HOURS:
                return length
            case Days():
                return self.fail(f"is more than {most_days}d")
            case Hours():
                return self.fail(f"is more than {MOST_HOURS}h; for longer, count in days")
            case _:
                return self.fail('is not a length such as "7d" or "36h"')

    def day(self) -> int:
        """A date such as 2026-11-11, in days since 1970-01-01."""
        day = read_day(self.text())
        if day is None:
            self.fail("is not a date such as 2026-11-11")
        return day

    def _at(self, name: str) -> "Said":
        value = self.value.get(name) if isinstance(self.value, dict) else None
        return Said(value, f"{self.path}.{name}" if self.path else name)


def nearest(name: str, known: Collection[str]) -> str | None:
    """The known name that is most like another, if one is like it at all.

    Only names that begin and end much alike are compared, since comparing is slow.
    """
    if len(name) > LONGEST_COMPARED:
        return None
    likely = nsmallest(MOST_COMPARED, known, key=lambda other: (-_common_ends(name, other), other))
    found = get_close_matches(name, likely, n=1)
    return found[0] if found else None


def _common_ends(one: str, other: str) -> int:
    return _common_start(one, other) + _common_start(one[::-1], other[::-1])


def _common_start(one: str, other: str) -> int:
    pairs = zip(one, other, strict=False)
    return next((at for at, (letter, another) in enumerate(pairs) if letter != another), min(len(one), len(other)))


def _nearest(name: str, known: tuple[str, ...]) -> str:
    like = nearest(name, known)
    return f", did you mean {like!r}" if like else ""


def _noun(value: Any) -> str:  # noqa: PLR0911  a case for each type
    match value:
        case None:
            return "nothing"
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return "a text"
        case list():
            return "a list"
        case dict():
            return "a mapping"
        case _:
            return type(value).__name__
