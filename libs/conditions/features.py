"""What is kept of events for conditions: a state per anchor in which the order of events can't be seen.

Features stand in sections, one for all features about events of the same names and, where they ask for one, of the same
value of a property, so that an event decodes and encodes little more than what it changes. A section says nothing of
features that no event has touched, and features know nothing of definitions: adding one moves nothing.
"""

from collections.abc import Iterator, Mapping
from hashlib import blake2b
from typing import Any, Final

import msgspec

from libs.conditions.states import State

Section = dict[int, State]

_BIG: Final = 1  # the msgpack extension for whole numbers beyond 64 bits


class Sections(dict[int, Section]):
    """Sections by number, each decoded when it is first asked for."""

    __slots__ = ("_packed",)

    def __init__(self, packed: Mapping[int, bytes]) -> None:
        self._packed = packed

    def __missing__(self, number: int) -> Section:
        packed = self._packed.get(number)
        if packed is None:
            return _UNTOUCHED
        section = self[number] = _read(packed)
        return section


class Features:
    """Everything kept through one anchor, or of one person; `Features()` is that of no events."""

    __slots__ = ("_changed", "_packed", "sections")

    def __init__(self, sections: dict[int, Section] | None = None, packed: dict[int, bytes] | None = None) -> None:
        """`packed` are sections as bytes, which are read when they are asked for."""
        self._packed: dict[int, bytes] = {} if packed is None else packed
        self._changed: set[int] = set() if sections is None else set(sections)
        self.sections: Final = Sections(self._packed)
        """To be read; one that no event touched is empty."""
        if sections is not None:
            self.sections.update(sections)

    def __bool__(self) -> bool:
        return bool(self._packed or self._changed)

    def own_section(self, number: int) -> Section:
        """A section, to be changed."""
        self._changed.add(number)
        found = self.sections[number]
        if found is _UNTOUCHED:
            found = self.sections[number] = {}
        return found

    def all_sections(self) -> Iterator[tuple[int, Section]]:
        """Every section, decoded."""
        for number in sorted(self._packed.keys() | self._changed):
            section = self.sections[number]
            if section:
                yield number, section

    def without(self, keys: frozenset[int]) -> "Features":
        """The same without some features, when nothing reads them any more."""
        kept: dict[int, Section] = {}
        for number, section in self.all_sections():
            rest = {key: state for key, state in section.items() if key not in keys}
            if rest:
                kept[number] = rest
        return Features(kept)

    def packed(self) -> dict[int, bytes]:
        """Every section as bytes; only those that changed are written."""
        for number in self._changed:
            self._packed[number] = _bytes_of(self.sections[number])
        self._changed.clear()
        return self._packed


def encode(features: Features) -> bytes:
    """The features as msgpack, only what the anchor has. Equal ones may differ here in the order of entries."""
    return _write(features.packed())


def decode(state: bytes) -> Features:
    """The features that were encoded; sections are decoded when touched."""
    return Features(packed=_read_outer(state))


def fingerprint(features: Features) -> bytes:
    """16 bytes that are equal for equal features, however they came about."""
    return blake2b(repr(_sorted(dict(features.all_sections()))).encode(), digest_size=16).digest()


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


def _bytes_of(section: Section) -> bytes:
    try:
        return _write(section)
    except OverflowError:
        return _write(_with_big_numbers(section))


_UNTOUCHED: Final[Section] = {}
_write: Final = msgspec.msgpack.Encoder().encode
_read_outer: Final = msgspec.msgpack.Decoder(dict[int, bytes]).decode
_read: Final = msgspec.msgpack.Decoder(dict[int, Any], ext_hook=_big_number).decode
