"""What somebody holds, as the conditions of others read it."""

from collections.abc import Mapping
from typing import Final

from libs.conditions.comparisons import Scalar
from services.tagging.domain.names import key_of, kind_of


class Around:
    """What a person holds, by kind; it grows while they are answered, so that whoever is answered later sees it.

    Scores are not among it: they are computed when they are read.
    """

    __slots__ = ("segments", "stages", "tags", "tiers")

    def __init__(self, values: Mapping[str, Scalar]) -> None:
        """`values` go by name; what no condition reads need not be among them."""
        self.tags: Final[dict[str, Scalar]] = {}
        self.segments: Final[set[str]] = set()
        self.stages: Final[set[str]] = set()
        self.tiers: Final[set[str]] = set()
        for name, value in values.items():
            self.let(name, value)

    def let(self, name: str, value: Scalar | None) -> None:
        """Let them hold a value by a definition, or with None nothing."""
        match kind_of(name):
            case "tag":
                if value is None:
                    self.tags.pop(name, None)
                else:
                    self.tags[name] = value
            case "segment":
                (self.segments.discard if value is None else self.segments.add)(key_of(name))
            case "lifecycle":
                _only(self.stages, value)
            case "tiers":
                _only(self.tiers, value)
            case "score":
                pass


def _only(held: set[str], value: Scalar | None) -> None:
    held.clear()
    if value is not None:
        held.add(str(value))
