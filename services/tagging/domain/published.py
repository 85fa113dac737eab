"""One version of a definition as it was published, and where it is on its way."""

from hashlib import blake2b
from typing import Literal

import msgspec

from libs.runtime.clock import Micros

State = Literal["filling", "live", "former", "retiring", "retired"]


class Published(msgspec.Struct, frozen=True):
    """One version as it was published; `retired_by` is the id of the event that retired it."""

    name: str
    version: int
    state: State
    document: str
    published_at: Micros
    published_by: str
    event_id: bytes
    retired_by: bytes | None = None

    @property
    def etag(self) -> str:
        """Changes with every version."""
        return blake2b(f"{self.name}\0{self.version}\0{self.document}".encode(), digest_size=8).hexdigest()
