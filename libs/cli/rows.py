"""Rows to collect: the lines of NDJSON files and streams, the records of CSV files, the documents of a scenario."""

import csv
import os
import select
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from io import TextIOWrapper
from pathlib import Path
from typing import Final, NamedTuple, Protocol

import msgspec

from libs.cli.errors import BadInput
from libs.cli.mapping import Mapping

# A request that is larger than a service takes is refused whole, so that the row would not even reach quarantine.
LARGEST_ROW: Final = 3_500_000
CHUNK: Final = 1 << 20
IDLE: Final = 0.2  # seconds of silence on a stream, after which what has come is sent

_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_NO_ID: Final = frozenset({b"null", b'""'})


class Row(NamedTuple):
    """A document with its number, from 1, and how much of the source is read with it; None for one too large."""

    number: int
    document: bytes | None
    read: int


class Source(Protocol):
    """Where rows come from; `size` is in the unit of `Row.read`, None where the end is not known.

    `id` stands for the content: the same rows have it again, and other ones never. `import_id` names the import unless
    somebody does; it is empty for a stream, which is no import and has no place to go back to.
    """

    @property
    def name(self) -> str: ...
    @property
    def id(self) -> str: ...
    @property
    def import_id(self) -> str: ...
    @property
    def size(self) -> int | None: ...
    def rows(self) -> Iterator[Row | None]:
        """All rows in order; a None says that the next one may take its time."""
        ...


@dataclass(frozen=True, slots=True)
class Lines:
    """An NDJSON file, or a stream of it by its file descriptor."""

    path: Path | int
    name: str
    id: str
    import_id: str = ""
    size: int | None = None

    @staticmethod
    def of(path: Path) -> "Lines":
        """A file, which is read once for its id."""
        id_ = hash_of(path)
        return Lines(path, path.name, id_, _import_id(path, id_), path.stat().st_size)

    def rows(self) -> Iterator[Row | None]:
        """A row for each line that is not blank."""
        number = read = 0
        # Unbuffered, for select() does not see what a buffer holds.
        with open(self.path, "rb", buffering=0, closefd=isinstance(self.path, Path)) as file:
            for line in _lines(file.fileno()):
                if line is None:
                    yield None
                    continue
                number += 1
                read += len(line) + 1
                document = line.removeprefix(_BYTE_ORDER_MARK).strip() if number == 1 else line.strip()
                if len(document) > LARGEST_ROW:
                    yield Row(number, None, read)
                elif document:
                    yield Row(number, with_id(document, f"import:{self.id}:{number}"), read)


@dataclass(frozen=True, slots=True)
class Records:
    """A CSV file read through a mapping."""

    path: Path
    mapping: Mapping
    name: str
    id: str
    import_id: str
    size: int

    @staticmethod
    def of(path: Path, mapping: Mapping) -> "Records":
        """A file, which is read once for its id; mappings with different names make different events of it."""
        content = hash_of(path)
        id_ = f"{content}:{mapping.name}" if mapping.name else content
        return Records(path, mapping, path.name, id_, _import_id(path, id_), path.stat().st_size)

    def rows(self) -> Iterator[Row | None]:
        """A row for each record behind the header. Raises `BadInput` where the mapping does not fit."""
        csv.field_size_limit(LARGEST_ROW)
        # What the encoding can't read survives as surrogates, so that the record still gets to quarantine as it was.
        with self.path.open("rb") as file:
            text = TextIOWrapper(file, self.mapping.encoding, "surrogateescape", newline="")
            records = csv.reader(text, delimiter=self.mapping.delimiter)
            try:
                document_of = self.mapping.for_header(next(records, []), self.name)
                for number, cells in enumerate(records, 1):
                    if cells:
                        document = with_id(document_of(cells), f"import:{self.id}:{number}")
                        fits = len(document) <= LARGEST_ROW
                        yield Row(number, document if fits else None, file.tell())
            except csv.Error as error:
                raise BadInput(f"{self.name}, line {records.line_num}", str(error)) from None


@dataclass(frozen=True, slots=True)
class Documents:
    """What a program makes."""

    documents: Iterable[bytes]
    name: str
    id: str
    import_id: str
    size: int | None

    def rows(self) -> Iterator[Row | None]:
        """A row for each document."""
        for number, document in enumerate(self.documents, 1):
            yield Row(number, with_id(document, f"import:{self.id}:{number}"), number)


class _Head(msgspec.Struct):
    message_id: msgspec.Raw = msgspec.Raw(b"")


_head_of: Final = msgspec.json.Decoder(_Head).decode
_whole_of: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def with_id(document: bytes, message_id: str) -> bytes:
    """The document with that message id where it has none; as it is where it has one, or is no JSON object."""
    try:
        said = bytes(_head_of(document).message_id)
        if said and said not in _NO_ID:
            return document
        if not said:  # put in front: nothing else of the document changes
            rest = document[document.index(b"{") + 1 :]
            comma = b"" if rest.lstrip().startswith(b"}") else b","
            return b'{"message_id":"%b"%b%b' % (message_id.encode(), comma, rest)
        return msgspec.json.encode({**_whole_of(document), "message_id": message_id})
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return document


def hash_of(path: Path) -> str:
    """A file's content in 16 bytes, hexadecimal."""
    digest = blake2b(digest_size=16)
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _import_id(path: Path, id_: str) -> str:
    content, _, mapping = id_.partition(":")
    return "-".join(filter(None, (path.stem[:40], content[:8], mapping)))


def _lines(descriptor: int) -> Iterator[bytes | None]:
    """Lines without their ends, each as soon as it is there; None when nothing came for a while.

    Of a line that is too large only the beginning is kept, one byte more than may be.
    """
    rest = b""
    while True:
        if not select.select([descriptor], [], [], IDLE)[0]:
            yield None
            continue
        chunk = os.read(descriptor, CHUNK)
        *lines, rest = (rest + chunk).split(b"\n")
        yield from lines
        rest = rest[: LARGEST_ROW + 1]
        if not chunk:
            if rest:
                yield rest
            return
