"""The values that tags have."""

from typing import Literal

from libs.conditions.comparisons import Scalar
from libs.conditions.numbers import shown
from libs.conditions.said import Said

ValueType = Literal["flag", "enum", "number", "text"]


def read_value(said: Said, value_type: ValueType, options: tuple[str, ...] = ()) -> Scalar:
    """A value of a tag; raises `InvalidArgument` if the tag can't have it."""
    match value_type:
        case "flag":
            return said.flag()
        case "number":
            return shown(said.number())
        case _:
            text = said.text()
            if options and text not in options:
                said.fail(f"is none of the tag's options: {', '.join(options)}")
            return text
