"""Which tests and measures a type of value can meet at all."""

from collections.abc import Callable
from typing import Final, assert_never

from libs.conditions.comparisons import (
    Anniversary,
    Contains,
    Dated,
    EndsWith,
    Exists,
    FromToday,
    InBound,
    OneOf,
    Scalar,
    StartsWith,
    Test,
    Years,
)
from libs.conditions.tree import Measure
from libs.conditions.vocabulary import ValueType

Fault = Callable[[ValueType], str | None]
"""What is wrong with a type, to follow the name of a property; None if nothing is."""

_FREE: Final[frozenset[ValueType]] = frozenset({"any", "list"})
_NUMBERS: Final = _FREE | {"number", "integer"}
_TEXTS: Final = _FREE | {"string"}
_DATES: Final = _FREE | {"timestamp", "string"}


def test_fault(test: Test) -> Fault:
    """Says why values of a type can't pass a test."""
    match test:
        case Exists():
            return lambda _: None
        case OneOf(values):
            return lambda type_: next((fault for value in values if (fault := _value_fault(value, type_))), None)
        case InBound():
            return _number_fault
        case Contains() | StartsWith() | EndsWith():
            return lambda type_: None if type_ in _TEXTS else "is no text to look into"
        case Dated() | Anniversary() | Years() | FromToday():
            return lambda type_: None if type_ in _DATES else "is no date"
        case _:
            assert_never(test)


def measure_fault(measure: Measure) -> Fault:
    """Says why values of a type can't be measured."""
    if measure in {"count", "distinct"}:
        return lambda type_: "can't be told apart by value" if type_ == "object" else None
    return _number_fault


def _number_fault(type_: ValueType) -> str | None:
    if type_ in _NUMBERS:
        return None
    return "counts only where it writes a number" if type_ == "string" else "can't be compared as a quantity"


def _value_fault(value: Scalar, type_: ValueType) -> str | None:
    match value:
        case bool():
            fits = type_ in _FREE | {"boolean"}
        case int():
            fits = type_ in _NUMBERS
        case float():
            fits = type_ in _FREE | {"number"} or (type_ == "integer" and value.is_integer())
        case _:
            fits = type_ in _DATES
    return None if fits else f"is never {value!r}"
