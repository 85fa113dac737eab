"""What a tenant has names for: what a condition is checked against, whoever keeps it."""

from collections.abc import Collection, Mapping
from typing import Literal, Protocol

ValueType = Literal["any", "string", "number", "integer", "boolean", "timestamp", "list", "object"]
Properties = Mapping[str, ValueType]
"""Types by name; "products[].price" is the price of each entry of the list "products"."""


class Vocabulary(Protocol):
    """The names known to a tenant. What is not known may still come: an unknown name is no error."""

    @property
    def events(self) -> Mapping[str, Properties]:
        """The properties of every known event; empty where nothing is known of them."""
        ...

    @property
    def traits(self) -> Properties:
        """The known traits."""
        ...

    @property
    def tags(self) -> Properties:
        """The known tags with the types of their values; a flag is boolean."""
        ...

    @property
    def scores(self) -> Collection[str]:
        """The known scores."""
        ...

    @property
    def stages(self) -> Collection[str]:
        """The known stages of the lifecycle."""
        ...

    @property
    def tiers(self) -> Collection[str]:
        """The known tiers."""
        ...

    @property
    def segments(self) -> Collection[str]:
        """The known segments."""
        ...
