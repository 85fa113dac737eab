"""How far a source was collected, kept in a file, so that the same command goes on where it was stopped."""

import time
from hashlib import blake2b
from pathlib import Path

import msgspec

from libs.cli.errors import BadInput

EVERY = 0.5  # seconds; what a crash forgets is sent again, and then counts once


class _Written(msgspec.Struct, forbid_unknown_fields=True):
    source: str  # id of the source
    name: str
    rows: int


class Bookmark:
    """The last row of a source up to which every row was answered for; `rows` is 0 at the start."""

    def __init__(self, path: Path, source: str, name: str) -> None:
        """Read the file if there is one. Raises `BadInput` if it is of another source, or no bookmark."""
        self.path = path
        self.rows = 0
        self._source = source
        self._name = name
        self._written = 0
        self._due = 0.0
        if path.exists():
            self._read()

    def reach(self, rows: int) -> None:
        """Move forward; written to disk now and then."""
        self.rows = rows
        if time.monotonic() >= self._due:
            self.save()

    def save(self) -> None:
        """Write it to disk, whole or not at all."""
        self._due = time.monotonic() + EVERY
        if self.rows == self._written:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        new = self.path.with_name(f"{self.path.name}.new")
        new.write_bytes(msgspec.json.encode(_Written(self._source, self._name, self.rows)))
        new.replace(self.path)
        self._written = self.rows

    def _read(self) -> None:
        try:
            written = msgspec.json.decode(self.path.read_bytes(), type=_Written)
        except msgspec.DecodeError:
            raise BadInput(str(self.path), "is not a file in which `portrait collect` keeps its place") from None
        if written.source != self._source:
            raise BadInput(str(self.path), f"is the place in {written.name}, which has other content than {self._name}")
        self.rows = self._written = written.rows


def place_of(data: Path, *identity: str) -> Path:
    """Where the bookmark of a source for a tenant at an address is kept by itself."""
    name = blake2b("\0".join(identity).encode(), digest_size=12).hexdigest()
    return data / "imports" / f"{name}.json"
