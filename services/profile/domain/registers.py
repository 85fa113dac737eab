"""Registers: of everything said under a key the greatest stands, and only so many of the greatest are kept.

Keeping the N greatest *registers* commutes although it forgets: a key that is among the N at the end was so from the
moment its greatest value arrived, in whichever order the others came. It would not commute for sums, which is why
counters are never evicted. Values under one key must be totally ordered (end them in the event id), or ties would go to
whoever came first.
"""

from collections.abc import Mapping
from typing import Any, Final, Protocol, TypeVar

EVERYTHING: Final = 2**63
"""How many to keep where none may be forgotten."""


class Ordered(Protocol):
    """What can stand in a register."""

    def __lt__(self, other: Any, /) -> bool: ...


Key = TypeVar("Key", bound=Ordered)
Value = TypeVar("Value", bound=Ordered)


def put(registers: dict[Key, Value], key: Key, value: Value) -> None:
    """Say a value under a key."""
    held = registers.get(key)
    if held is None or held < value:
        registers[key] = value


def keep_greatest(registers: dict[Key, Value], keep: int) -> None:
    """Forget all but the greatest. Once an event, not once a value: an event may say a thousand things."""
    over = len(registers) - keep
    if over > 0:
        for key in sorted(registers, key=lambda key: (registers[key], key))[:over]:
            del registers[key]


def union(a: Mapping[Key, Value], b: Mapping[Key, Value], keep: int) -> dict[Key, Value]:
    """What both say, as new registers."""
    united = dict(a)
    for key, value in b.items():
        held = united.get(key)
        if held is None or held < value:
            united[key] = value
    if len(united) > keep:
        greatest = sorted(united.items(), key=lambda entry: (entry[1], entry[0]), reverse=True)
        return dict(greatest[:keep])
    return united
