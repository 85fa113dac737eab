"""Conditions as people write them."""

from libs.conditions.reading import read_document
from libs.conditions.tree import Condition
from libs.conditions.writing import write_document
from libs.runtime.strict_yaml import read_yaml, write_yaml


def read_condition(text: str) -> Condition:
    """The condition that a YAML document says.

    Raises `InvalidArgument` with the path inside the document, or with the line where it is not YAML, and `TooLarge`.
    """
    return read_document(read_yaml(text))


def written(condition: Condition) -> str:
    """A YAML document that says the condition."""
    return write_yaml(write_document(condition))
