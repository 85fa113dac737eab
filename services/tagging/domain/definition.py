"""What every kind of definition is to the rest of the service; `kinds.py` names them all."""

from collections.abc import Collection, Iterator, Mapping
from typing import Protocol

from libs.conditions.tree import Condition
from services.tagging.domain.asked import Asked
from services.tagging.domain.verdict import Verdict


class Definition(Protocol):
    """One version of what people are answered by. `name` is unique in a tenant, see `names.py`."""

    @property
    def name(self) -> str:
        """As tables and the log have it."""
        ...

    @property
    def version(self) -> int:
        """Counted from 1 for each name."""
        ...

    @property
    def titles(self) -> Mapping[str, str]:
        """What it is called, by language."""
        ...

    @property
    def owner(self) -> str:
        """Who answers for it."""
        ...

    @property
    def options(self) -> Collection[str]:
        """The values that it can have, as far as they are declared."""
        ...

    @property
    def tells_all(self) -> bool:
        """Whether all that others read of it is told when it changes; else they are answered whenever it is."""
        ...

    def conditions(self) -> dict[str, Condition]:
        """Everything that is to be answered for it, by the name that it has in a plan."""
        ...

    def everything(self) -> Condition:
        """One condition that reads whatever this reads."""
        ...

    def placed(self) -> Iterator[tuple[str, Condition]]:
        """Every condition with its place in the document."""
        ...

    def differences(self, former: "Definition") -> Iterator[str]:
        """What is otherwise than in a former version, one line each."""
        ...

    def verdict(self, asked: Asked) -> Verdict:
        """What a person has by it."""
        ...
