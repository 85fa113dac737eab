"""From what somebody is called to the keys that their interactions are filed under."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from libs.people.anchor import Anchoring
from libs.people.identifiers import Claimed
from libs.people.person import Name
from libs.runtime.clock import Micros

_EVER: Final[Micros] = 2**62
"""Later than anything: whoever has an identifier last has it now."""


@dataclass(frozen=True, slots=True)
class People:
    """Reads identifiers by the rules that each tenant goes by now."""

    current: Callable[[str], Anchoring]

    def key(self, tenant: str, identifier: Claimed, field: str) -> bytes:
        """Key of an identifier; raises `InvalidArgument` if it can name nobody."""
        return self.current(tenant).named(identifier, field).key

    def name(self, tenant: str, identifier: Claimed, field: str, as_of: Micros | None = None) -> Name:
        """Whoever has an identifier, now or as of then; raises as `key` does."""
        return Name(self.key(tenant, identifier, field), _EVER if as_of is None else as_of)

    def normal(self, tenant: str, type_: str, value: str) -> str | None:
        """The normal form of an identifier's value; None if it can name nobody."""
        identified, _ = self.current(tenant).identify([Claimed(type_, value)])
        return identified[0].value if identified else None
