"""The traits of a person that stand, each chosen when it is asked for."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from libs.conditions.features import Features
from libs.conditions.said_traits import survivor

_NEVER: Final = object()


class Survivors(Mapping[str, Any]):
    """What stands of the traits in one section of somebody's features; who asks for none pays for none."""

    __slots__ = ("_features", "_keys", "_known", "_ranks", "_section")

    def __init__(self, features: Features, section: int, keys: Mapping[str, int], ranks: Mapping[str, int]) -> None:
        """`keys` are the fingerprints of traits by name, `ranks` those of sources."""
        self._features = features
        self._section = section
        self._keys = keys
        self._ranks = ranks
        self._known: dict[str, Any] = {}

    def get(self, name: str, default: Any = None) -> Any:
        """The value of a trait."""
        value = self._known.get(name, _NEVER)
        if value is _NEVER:
            value = self._known[name] = self._chosen(name)
        return default if value is None else value

    def __getitem__(self, name: str) -> Any:
        value = self.get(name)
        if value is None:
            raise KeyError(name)
        return value

    def __iter__(self) -> Iterator[str]:
        return (name for name in self._keys if self.get(name) is not None)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def _chosen(self, name: str) -> Any:
        key = self._keys.get(name)
        if key is None:
            return None
        registers = self._features.sections[self._section].get(key)
        return None if registers is None else survivor(registers, self._ranks)
