"""What the properties of an event mean: the schema as published, and the reading that the folds go by."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Final, Literal

import msgspec

from libs.runtime.clock import Micros

SchemaKind = Literal["event", "traits"]
PropertyType = Literal["any", "string", "number", "integer", "boolean", "timestamp", "list", "object"]
Role = Literal["amount", "currency", "item", "category", "brand", "outlet", "content", "channel", "price", "quantity"]
Sensitivity = Literal["public", "internal", "personal"]
MoneyFlow = Literal["", "order", "refund"]
UnknownProperties = Literal["allow", "quarantine"]

DIMENSIONS: Final[tuple[Role, ...]] = ("item", "category", "brand", "content", "channel", "outlet")
"""Roles of what a person can be drawn to."""
Dimensions = tuple[tuple[Role, tuple[str, ...]], ...]
"""Dimensions with the properties that play them, the preferred one first."""

TRAITS: Final = "traits"
"""Name of the one schema that describes traits; no event has it."""


@dataclass(frozen=True, slots=True)
class PropertySchema:
    """One property, or one trait; "products[].price" is the price of each entry of the list "products"."""

    name: str
    type: PropertyType = "any"
    role: Role | None = None
    required: bool = False
    sensitivity: Sensitivity = "internal"
    description: str = ""

    @property
    def place(self) -> tuple[str, str]:
        """The list that it stands in, empty for none, and its name there."""
        before, mark, after = self.name.partition("[].")
        return (before, after) if mark else ("", self.name)


@dataclass(frozen=True, slots=True)
class EventReading:
    """How a fold reads one event: which property plays which role.

    `roles` and `line_roles` pair a role with a property, the preferred one first; `lines` names the list whose entries
    `line_roles` are about. `weight` says how strongly the event speaks for the things it names. A line's amount is the
    line's total; only where it is absent do price and quantity make it. `dimensions` and `line_dimensions` are the part
    of them that names what a person can be drawn to, by dimension; an event has a channel even if no property names it.
    """

    name: str
    weight: int = 1
    money_flow: MoneyFlow = ""
    roles: tuple[tuple[Role, str], ...] = ()
    lines: str | None = None
    line_roles: tuple[tuple[Role, str], ...] = ()
    dimensions: Dimensions = field(init=False)
    line_dimensions: Dimensions = field(init=False)

    def __post_init__(self) -> None:
        played: dict[Role, tuple[str, ...]] = {"channel": (), **_by_dimension(self.roles)}
        object.__setattr__(self, "dimensions", tuple(played.items()))
        object.__setattr__(self, "line_dimensions", tuple(_by_dimension(self.line_roles).items()))


def _by_dimension(roles: Sequence[tuple[Role, str]]) -> dict[Role, tuple[str, ...]]:
    played = {dimension: tuple(name for role, name in roles if role == dimension) for dimension in DIMENSIONS}
    return {dimension: names for dimension, names in played.items() if names}


@dataclass(frozen=True, slots=True)
class Schema:
    """One version of a schema. Version 0 is shipped: it describes, while a published one is also enforced."""

    name: str
    kind: SchemaKind = "event"
    description: str = ""
    properties: tuple[PropertySchema, ...] = ()
    unknown_properties: UnknownProperties = "allow"
    weight: int = 0
    money_flow: MoneyFlow = ""
    version: int = 0
    revision: int = 0
    published_at: Micros | None = None

    @property
    def etag(self) -> str:
        """Changes with every version, and with any difference in content."""
        return blake2b(msgspec.json.encode(self), digest_size=8).hexdigest()

    @property
    def demands(self) -> bool:
        """Whether any interaction could fail it."""
        return self.version > 0 and (
            self.unknown_properties == "quarantine" or any(p.required or p.type != "any" for p in self.properties)
        )

    def reading(self) -> EventReading:
        """What a fold makes of it; a weight that is left out is 1."""
        playing = [(p.place, p.role) for p in self.properties if p.role is not None]
        return EventReading(
            name=self.name,
            weight=self.weight or 1,
            money_flow=self.money_flow,
            roles=tuple((role, name) for (inside, name), role in playing if not inside),
            lines=next((inside for (inside, _), _ in playing if inside), None),
            line_roles=tuple((role, name) for (inside, name), role in playing if inside),
        )
