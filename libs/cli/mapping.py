"""How the columns of a CSV file become the fields of interactions: a YAML document, read once, applied to each record.

    delimiter: ";"                      # default ,
    encoding: gbk                       # default utf-8
    name: orders                        # only needed where one file is collected twice, as different events
    constants: {type: track, event: order_completed, source: till, properties.currency: EUR}
    columns:
      Kunde: identifiers.member_no      # the short form: text
      Datum: {to: occurred_at, type: time, format: "%d.%m.%Y %H:%M", zone: Europe/Berlin}
      Betrag: {to: properties.total, type: number, decimal: ","}

A cell that is empty is left out; one that is not of its type goes over as text, for the service to judge; a record
that has another number of cells than the header goes over as it is, to quarantine.
"""

import codecs
import csv
import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
import yaml

from libs.cli.errors import BadInput

Type = Literal["text", "number", "boolean", "time", "json"]
Read = Callable[[str], Any]

_NUMBER: Final = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?", re.ASCII).fullmatch
_GROUPED: Final = re.compile(r"-?\d{1,3}(,\d{3})+(\.\d+)?", re.ASCII).fullmatch
_SWAPPED: Final = str.maketrans(",.", ".,")
_BOOLEANS: Final = {
    **dict.fromkeys(("true", "yes", "y", "1", "是"), True),
    **dict.fromkeys(("false", "no", "n", "0", "否"), False),
}
_EPOCHS: Final = {"seconds": 1, "milliseconds": 1_000}

Text = Annotated[str, msgspec.Meta(min_length=1)]


class Column(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a column goes. `format` is of strptime, or `seconds` or `milliseconds` since 1970."""

    to: Text
    type: Type = "text"
    format: str = ""
    zone: str = ""
    decimal: Literal[".", ","] = "."


class _Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    columns: dict[str, Column | Text]
    constants: dict[str, Any] = {}
    delimiter: Annotated[str, msgspec.Meta(min_length=1, max_length=1)] = ","
    encoding: str = "utf-8"
    name: Annotated[str, msgspec.Meta(max_length=40, pattern=r"^[\w.-]*$")] = ""


@dataclass(frozen=True, slots=True)
class Mapping:
    """A mapping that makes sense; `where` is its file, for errors."""

    where: str
    delimiter: str
    encoding: str
    name: str
    constants: dict[str, Any] = field(repr=False)
    columns: dict[str, tuple[Column, Read]] = field(repr=False)

    @staticmethod
    def load(path: Path) -> "Mapping":
        """Read a file. Raises `BadInput` with the path inside it."""
        try:
            return Mapping.of(yaml.safe_load(path.read_text(encoding="utf-8")), path.name)
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise BadInput(path.name, f"can't be read: {' '.join(str(error).split())}") from None

    @staticmethod
    def of(document: Any, where: str) -> "Mapping":
        """Check a document. Raises `BadInput`."""
        try:
            said = msgspec.convert(document, _Document)
            codecs.lookup(said.encoding)
        except msgspec.ValidationError as error:
            raise BadInput(where, str(error)) from None
        except LookupError:
            raise BadInput(where, f"encoding: {said.encoding!r} is not known") from None
        columns: dict[str, tuple[Column, Read]] = {}
        taken = set(said.constants)
        for name, one in said.columns.items():
            column = one if isinstance(one, Column) else Column(one)
            if column.to in taken:
                raise BadInput(where, f"columns.{name}: {column.to} is filled twice")
            taken.add(column.to)
            columns[name] = (column, _reader(column, where, f"columns.{name}"))
        for to in taken:
            inside = next((other for other in taken if other.startswith(f"{to}.")), None)
            if inside:
                raise BadInput(where, f"{inside} can't be filled, for {to} is")
        encoding = "utf-8-sig" if codecs.lookup(said.encoding).name == "utf-8" else said.encoding
        return Mapping(where, said.delimiter, encoding, said.name, said.constants, columns)

    def for_header(self, header: Sequence[str], file: str) -> Callable[[Sequence[str]], bytes]:
        """What turns a record of a file with this header into a document. Raises `BadInput` for a column it lacks."""
        for name in [name for name in self.columns if name not in header]:
            near = get_close_matches(name, header, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(header)}"
            raise BadInput(self.where, f"columns.{name}: {file} has no such column; {hint}")
        taken = [(header.index(name), column.to.split("."), read) for name, (column, read) in self.columns.items()]
        constants = [(to.split("."), value) for to, value in self.constants.items()]

        def document(cells: Sequence[str]) -> bytes:
            if len(cells) != len(header):
                return self._as_it_is(cells)
            whole: dict[str, Any] = {}
            for path, value in constants:
                _put(whole, path, value)
            for index, path, read in taken:
                if text := cells[index].strip():
                    _put(whole, path, read(text))
            try:
                return msgspec.json.encode(whole)
            except UnicodeEncodeError:
                return self._as_it_is(cells)

        return document

    def _as_it_is(self, cells: Sequence[str]) -> bytes:
        line = io.StringIO()
        csv.writer(line, delimiter=self.delimiter, lineterminator="").writerow(cells)
        return line.getvalue().encode(self.encoding.removesuffix("-sig"), "surrogateescape")


def _put(whole: dict[str, Any], path: Sequence[str], value: Any) -> None:
    for step in path[:-1]:
        whole = whole.setdefault(step, {})
    whole[path[-1]] = value


def _reader(column: Column, where: str, at: str) -> Read:
    if column.zone and column.type != "time":
        raise BadInput(where, f"{at}: only a time has a zone")
    match column.type:
        case "text":
            return str
        case "number":
            return lambda text: _number(text, column.decimal)
        case "boolean":
            return lambda text: _BOOLEANS.get(text.casefold(), text)
        case "json":
            return _json
        case "time":
            return _time_reader(column, where, at)


def _number(text: str, decimal: str) -> Any:
    """The number as it is written, digit by digit: a float would be another one."""
    english = text if decimal == "." else text.translate(_SWAPPED)
    if _GROUPED(english):  # else 12,5 would be read as 125
        english = english.replace(",", "")
    return msgspec.Raw(english.encode()) if _NUMBER(english) else text


def _json(text: str) -> Any:
    try:
        msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError):
        return text
    return msgspec.Raw(text.encode())


def _time_reader(column: Column, where: str, at: str) -> Read:
    try:
        zone = ZoneInfo(column.zone) if column.zone else None
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise BadInput(where, f"{at}.zone: {column.zone!r} is not an IANA time zone") from None
    parse = _parser(column.format)

    def read(text: str) -> str:
        try:
            when = parse(text)
        except (ValueError, OverflowError, OSError):
            return text
        return _in(when, zone).isoformat()

    return read


def _parser(form: str) -> Callable[[str], datetime]:
    if form in _EPOCHS:
        return lambda text: datetime.fromtimestamp(float(text) / _EPOCHS[form], UTC)
    if form:
        return lambda text: datetime.strptime(text, form)  # noqa: DTZ007  the zone is put on by the caller
    return datetime.fromisoformat


def _in(when: datetime, zone: tzinfo | None) -> datetime:
    return when.replace(tzinfo=zone) if zone and not when.tzinfo else when
