"""The reference scenarios beside the source: `examples/<name>/conversion.py` makes interactions of public data."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final

from libs.cli.errors import BadInput, NotThere
from libs.cli.rows import Documents

_NAME: Final = re.compile(r"[a-z][a-z0-9_]*").fullmatch


@dataclass(frozen=True, slots=True)
class Scenario:
    """A scenario's tenant, and its interactions for so many households, or for all of them."""

    name: str
    tenant: str
    interactions: Callable[[int | None], Iterator[bytes]]
    count: Callable[[int | None], int]

    @staticmethod
    def load(name: str) -> "Scenario":
        """Find a scenario. Raises `BadInput` for a name that is none, `NotThere` if its data are not installed."""
        if not _NAME(name):
            raise BadInput("--scenario", f"{name!r} is not a name such as grocery")
        # By name: what ships must not depend on what examples hold.
        module = f"examples.{name}.conversion"
        try:
            found: Any = import_module(module)
        except ModuleNotFoundError as error:
            if error.name and module.startswith(error.name):
                raise NotThere(f"there is no scenario {name!r} in {module.replace('.', '/')}.py") from None
            raise NotThere(f"scenario {name!r} needs {error.name}, which `make setup` installs") from None
        return Scenario(name, found.TENANT, found.interactions, found.count)

    def source(self, households: int | None) -> Documents:
        """Its interactions as rows. They bring ids of their own, so those of a part are duplicates in the whole."""
        name = f"scenario-{self.name}"
        part = f"{name}-{households or 'full'}"
        return Documents(self.interactions(households), part, part, name, self.count(households))
