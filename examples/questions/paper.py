"""Questions as they are published: beside each condition the SQL that asks the same, in words of its own."""

from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import msgspec

from libs.conditions.reading import read_document
from libs.conditions.tree import Condition
from libs.runtime.strict_yaml import read_yaml

EXAMPLES: Final = Path(__file__).parents[1]


class Question(msgspec.Struct, frozen=True):
    """One question: `asks` in words, `when` as a condition, `sql` as rows of person, value and key."""

    key: str
    asks: str
    when: Condition
    sql: str


class Paper(msgspec.Struct, frozen=True):
    """All questions about one scenario. `person` is the type of identifier that names people; `tables` makes of the
    NDJSON file `$file` the tables `all_events` and others that `views` narrows down to what had happened by a moment.
    """

    scenario: str
    zone: str
    person: str
    moments: tuple[datetime, ...]
    tables: str
    views: str
    questions: tuple[Question, ...]

    @staticmethod
    def load(scenario: str) -> "Paper":
        """The questions in `examples/<scenario>/questions.yaml`."""
        said = read_yaml((EXAMPLES / scenario / "questions.yaml").read_text(encoding="utf-8"))
        asked = tuple(
            Question(one["key"], one["asks"], read_document(one["when"], one["key"]), one["sql"])
            for one in said["questions"]
        )
        moments = tuple(datetime.fromisoformat(moment) for moment in said["moments"])
        return Paper(scenario, said["zone"], said["person"], moments, said["tables"], said["views"], asked)

    def documents(self, people: int | None) -> list[bytes]:
        """The interactions of the scenario, of the first so many people or of all, in the order of time."""
        made: Any = import_module(f"examples.{self.scenario}.conversion")
        return list(made.interactions(people))
