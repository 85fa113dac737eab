"""Fields that the documents of several kinds of definition have; each raises `InvalidArgument` with its path."""

from libs.conditions.reading import read_document
from libs.conditions.said import Said
from libs.conditions.tree import Condition
from libs.conditions.windows import Days
from libs.runtime.clock import Micros
from services.tagging.domain.names import DAY


def titles(said: Said) -> dict[str, str]:
    """What something is called, by language."""
    return {language: title.text() for language, title in said.entries().items()}


def condition(said: Said) -> Condition:
    """A condition, as docs/conditions.md has it."""
    return read_document(said.value, said.path)


def duration(said: Said) -> Micros:
    """How long something is; a day has 24 hours."""
    length = said.length()
    return length.days * DAY if isinstance(length, Days) else length.micros
