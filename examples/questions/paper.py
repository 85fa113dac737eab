"""Questions as they are published: beside each condition the SQL that asks the same, in words of its own."""

from collections.abc import Mapping
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import msgspec

from libs.conditions.event import Event
from libs.conditions.reading import read_document
from libs.conditions.tree import Condition
from libs.runtime.strict_yaml import read_yaml

EXAMPLES: Final = Path(__file__).parents[1]
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


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


class _Said(msgspec.Struct):
    message_id: str
    type: str
    occurred_at: datetime
    identifiers: dict[str, Any] | list[dict[str, Any]]
    event: str = ""
    source: str = ""
    properties: dict[str, Any] = {}
    traits: dict[str, Any] = {}


_read: Final = msgspec.json.Decoder(_Said).decode


def read(document: bytes, person: str) -> tuple[str, Event]:
    """Who did it, and what happened as conditions see it."""
    said = _read(document)
    name = said.event if said.type == "track" else f"{said.type.removesuffix('y')}ied"
    event = Event(
        said.message_id.encode(), name, micros(said.occurred_at), said.properties, said.traits, source=said.source
    )
    return str(_values(said.identifiers)[person]), event


def micros(moment: datetime) -> int:
    """Microseconds since 1970."""
    since = moment - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def _values(identifiers: dict[str, Any] | list[dict[str, Any]]) -> Mapping[str, Any]:
    if isinstance(identifiers, dict):
        return identifiers
    return {one["type"]: one["value"] for one in identifiers}
