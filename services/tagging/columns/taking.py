"""Somebody as the tables have them, put into columns."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from libs.conditions.feature import trait_key
from libs.conditions.features import decode
from libs.conditions.said_traits import survivor, united
from libs.conditions.states import State
from services.tagging.columns.scalars import Values
from services.tagging.columns.table import Table
from services.tagging.domain.holding import Holding
from services.tagging.domain.layers import Layers, Row

_TRAITS_SECTION: Final = 0
_NOTHING: Final = Holding()


class _Read(NamedTuple):
    """A state that stands in rows of some layer and of later ones, how two become one, and where it is put."""

    layer: int
    section: int
    key: int
    unite: Callable[[State, State], State]
    put: Callable[[int, State], None]


class Taking:
    """Puts people into a table by what counts in some layers; `ranks` are those of sources."""

    def __init__(self, table: Table, layers: Layers, ranks: Mapping[str, int]) -> None:
        self.table = table
        self._reads = []
        for one in table.wanted.features:
            column = table.features[one.key]
            put = _with_value(column) if isinstance(column, Values) else column.put
            self._reads.append(_Read(layers.since(one.key), one.section, one.key, one.kind.united, put))
        for name, column in table.traits.items():
            key = trait_key(name)
            self._reads.append(_Read(layers.since(key), _TRAITS_SECTION, key, united, _with_survivor(column, ranks)))

    def take_all(self, people: Mapping[bytes, Sequence[Row]], holdings: Mapping[bytes, Holding]) -> None:
        """Put in people by what there is of them, and take note of them."""
        for person, rows in people.items():
            self.take(person, rows, holdings.get(person, _NOTHING))
        self.table.settle()

    def take(self, person: bytes, rows: Sequence[Row], holding: Holding) -> None:
        """Put in somebody of whom there are rows, and who holds this."""
        number = self.table.put(person)
        parts = [(row.layer, decode(row.state).sections) for row in rows]
        for layer, section, key, unite, put in self._reads:
            state: Any = None
            for of, sections in parts:
                more = sections[section].get(key) if of >= layer else None
                if more is not None:
                    state = more if state is None else unite(state, more)
            if state is not None:
                put(number, state)
        for name, column in self.table.held.items():
            held = holding.tags.get(name)
            if held is not None:
                column.put(number, held.value)


def _with_value(column: Values) -> Callable[[int, State], None]:
    return lambda number, state: column.put(number, state[1])


def _with_survivor(column: Values, ranks: Mapping[str, int]) -> Callable[[int, State], None]:
    def put(number: int, registers: State) -> None:
        value = survivor(registers, ranks)
        if value is not None:
            column.put(number, value)

    return put
