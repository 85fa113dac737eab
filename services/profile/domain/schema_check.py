"""Holds properties against the schema that a tenant published."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC
from typing import Any, assert_never

from services.profile.domain.rejection import Reason, Rejected
from services.profile.domain.schema import PropertySchema, PropertyType, Schema
from services.profile.domain.timestamps import read_time

_NOUNS: Mapping[PropertyType, str] = {
    "any": "any value",
    "string": "text",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
    "timestamp": "a time as in RFC 3339",
    "list": "a list",
    "object": "an object",
}


def check(schema: Schema, values: Mapping[str, Any], under: str) -> Rejected | None:
    """The first fault of `values`, or None; `under` is where they stand, "properties" or "traits".

    A null counts as absent. Of a list whose entries are described each entry is checked.
    """
    return next(_faults(schema, values, under), None)


def _faults(schema: Schema, values: Mapping[str, Any], under: str) -> Iterator[Rejected]:
    by_list: dict[str, list[tuple[str, PropertySchema]]] = {"": []}
    for one in schema.properties:
        inside, name = one.place
        by_list.setdefault(inside, []).append((name, one))
    top = by_list.pop("")
    strict = schema.unknown_properties == "quarantine"
    yield from _entry_faults(top, values, under)
    if strict:
        yield from _unknown({name for name, _ in top} | by_list.keys(), values, under)
    for inside, described in by_list.items():
        entries = values.get(inside)
        if entries is None:
            continue
        if not isinstance(entries, list):
            yield _wrong(f"{under}.{inside}", "list")
            continue
        for index, entry in enumerate(entries):
            path = f"{under}.{inside}[{index}]"
            if not isinstance(entry, dict):
                yield _wrong(path, "object")
                continue
            yield from _entry_faults(described, entry, path)
            if strict:
                yield from _unknown({name for name, _ in described}, entry, path)


def _entry_faults(
    described: Iterable[tuple[str, PropertySchema]], values: Mapping[str, Any], under: str
) -> Iterator[Rejected]:
    for name, one in described:
        value = values.get(name)
        if value is None:
            if one.required:
                yield Rejected(Reason.MISSING_FIELD, f"{under}.{name}", f"the schema requires {one.name}")
        elif not fits(one.type, value):
            yield _wrong(f"{under}.{name}", one.type)


def _unknown(known: set[str], values: Mapping[str, Any], under: str) -> Iterator[Rejected]:
    for name in values:
        if name not in known:
            yield Rejected(Reason.UNKNOWN_PROPERTY, f"{under}.{name}", "the schema allows no property of that name")


def _wrong(path: str, wanted: PropertyType) -> Rejected:
    return Rejected(Reason.WRONG_TYPE, path, f"the schema wants {_NOUNS[wanted]} here")


def fits(wanted: PropertyType, value: Any) -> bool:
    """Whether a JSON value is of that type; 3.0 is a whole number, and true is no number."""
    match wanted:
        case "any":
            fit = True
        case "string":
            fit = isinstance(value, str)
        case "number":
            fit = isinstance(value, int | float) and not isinstance(value, bool)
        case "integer":
            fit = (isinstance(value, int) and not isinstance(value, bool)) or (
                isinstance(value, float) and value.is_integer()
            )
        case "boolean":
            fit = isinstance(value, bool)
        case "timestamp":
            fit = isinstance(value, str) and read_time(value, UTC) is not None
        case "list":
            fit = isinstance(value, list)
        case "object":
            fit = isinstance(value, dict)
        case _:
            assert_never(wanted)
    return fit
