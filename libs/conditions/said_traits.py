"""Traits as events say them: of every source the newest, and among sources a choice when somebody reads.

Choosing between sources while folding would hang on the order of arrival. So each (source, verified) keeps a register
of its own, in the same way and with the same rules as the portrait's.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from libs.conditions.states import State
from libs.runtime.clock import Micros

SOURCES_KEPT: Final = 50
LONGEST_VALUE: Final = 4096
"""Bytes of a value as JSON; longer ones are not kept."""

_FORM_WITH_PROOF: Final = frozenset({"value", "verified"})
_NULL: Final = b"null"
_write: Final = msgspec.json.Encoder(order="sorted").encode
_read: Final = msgspec.json.Decoder().decode

Registers = dict[str, list[Any]]
"""Under "+source" what it said verified, under "-source" what it said otherwise: [moment, event id, JSON]."""


def say(registers: Registers | None, said: Any, source: str, at: Micros, event_id: bytes) -> Registers | None:
    """The registers with what an event says; those given change. A null takes back all that the source said."""
    verified, value = False, said
    if type(said) is dict and said.keys() == _FORM_WITH_PROOF:
        value, verified = said["value"], said["verified"] is True
    json = _write(value)
    if len(json) > LONGEST_VALUE:
        return registers
    found: Registers = {} if registers is None else registers
    entry = [at, event_id, json]
    _put(found, ("+" if verified else "-") + source, entry)
    if json == _NULL:
        _put(found, ("-" if verified else "+") + source, entry)
    _bound(found)
    return found


def united(a: State, b: State) -> Registers:
    """What both say, as new registers."""
    both = dict(a)
    for key, entry in b.items():
        _put(both, key, entry)
    _bound(both)
    return both


def survivor(registers: Registers, ranks: Mapping[str, int]) -> Any:
    """The value that stands: verified before not, then the source of the higher rank (0 unless given), then the newest.

    None where every source took it back.
    """
    standing = [
        (key[0] == "+", ranks.get(key[1:], 0), entry[0], bytes(entry[1]), key, entry[2])
        for key, entry in registers.items()
        if entry[2] != _NULL
    ]
    return _read(max(standing)[-1]) if standing else None


def _put(registers: Registers, key: str, entry: list[Any]) -> None:
    held = registers.get(key)
    if held is None or held < entry:
        registers[key] = entry


def _bound(registers: Registers) -> None:
    while len(registers) > SOURCES_KEPT:
        del registers[min(registers, key=lambda key: (registers[key], key))]
