"""What is kept of events for conditions: a state per anchor in which the order of events can't be seen.

Features stand in sections, one for all features about events of the same names and, where they ask for one, of the same
value of a property, so that an event decodes and encodes little more than what it changes. A section says nothing of
features that no event has touched, and features know nothing of definitions: adding one moves nothing.
"""

from collections.abc import Callable, Iterator
from hashlib import blake2b
from typing import Any, Final

import msgspec

from libs.conditions.states import State

Section = dict[int, State]


_BIG: Final = 1  # the msgpack extension for whole numbers beyond 64 bits


class Features:
    """Everything kept through one anchor, or of one person; `Features()` is that of no events."""

    __slots__ = ("_sections",)

    def __init__(self, sections: dict[int, Section | msgspec.Raw] | None = None) -> None:
        self._sections: dict[int, Section | msgspec.Raw] = {} if sections is None else sections

    def __bool__(self) -> bool:
        return bool(self._sections)

    def section(self, number: int) -> Section | None:
        """A section, to be read; None if no event touched it."""
        found = self._sections.get(number)
        if type(found) is msgspec.Raw:
            found = self._sections[number] = _read(found)
        return found

    def own_section(self, number: int) -> Section:
        """A section, to be changed."""
        found = self.section(number)
        if found is None:
            found = self._sections[number] = {}
        return found

    def sections(self) -> Iterator[tuple[int, Section]]:
        """Every section, decoded."""
        for number in list(self._sections):
            section = self.section(number)
            if section:
                yield number, section

    def without(self, keys: frozenset[int]) -> "Features":
        """The same without some features, when nothing reads them any more."""
        kept: dict[int, Section | msgspec.Raw] = {}
        for number, section in self.sections():
            rest = {key: state for key, state in section.items() if key not in keys}
            if rest:
                kept[number] = rest
        return Features(kept)


def encode(features: Features) -> bytes:
    """The features as msgpack, only what the anchor has. Equal ones may differ here in the order of entries."""
    try:
        return _write(features._sections)  # noqa: SLF001  their form in bytes is theirs
    except OverflowError:
        return _write(_with_big_numbers(dict(features.sections())))


def decode(state: bytes) -> Features:
    """The features that were encoded; sections are decoded when touched."""
    return Features(_read_outer(state))


def fingerprint(features: Features) -> bytes:
    """16 bytes that are equal for equal features, however they came about."""
    return blake2b(repr(_sorted(dict(features.sections()))).encode(), digest_size=16).digest()


def _sorted(state: Any) -> Any:
    return sorted((key, _sorted(inner)) for key, inner in state.items()) if isinstance(state, dict) else state


def _with_big_numbers(state: Any) -> Any:
    if isinstance(state, dict):
        return {key: _with_big_numbers(inner) for key, inner in state.items()}
    if isinstance(state, list):
        return [_with_big_numbers(inner) for inner in state]
    if isinstance(state, int) and not -(2**63) <= state < 2**63:
        return msgspec.msgpack.Ext(_BIG, str(state).encode())
    return state


def _big_number(code: int, data: memoryview) -> int:
    assert code == _BIG, f"no extension {code} is ever written"
    return int(bytes(data))


_write: Final = msgspec.msgpack.Encoder().encode
_read_outer: Final[Callable[[bytes], dict[int, Section | msgspec.Raw]]] = msgspec.msgpack.Decoder(
    dict[int, msgspec.Raw]
).decode  # type: ignore[assignment]
_read: Final = msgspec.msgpack.Decoder(dict[int, Any], ext_hook=_big_number).decode
