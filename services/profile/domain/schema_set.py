"""All schemas of a tenant at one revision."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from services.profile.domain.rejection import Rejected
from services.profile.domain.schema import TRAITS, EventReading, Schema
from services.profile.domain.schema_check import check
from services.profile.domain.schema_defaults import USUAL

_READINGS_KEPT: Final = 4096


class SchemaSet:
    """What a tenant's events and traits mean, unchanging; a later revision is another set.

    Readings are made once and kept up to a limit, because the names of undeclared events are the producers' choice.
    `demanding` names the schemas that could refuse something; `demands` says that there are any.
    """

    __slots__ = ("_readings", "demanding", "demands", "revision", "schemas")

    def __init__(self, revision: int, schemas: Mapping[str, Schema]) -> None:
        self.revision = revision
        self.schemas: Mapping[str, Schema] = MappingProxyType(dict(schemas))
        self.demanding = frozenset(name for name, schema in schemas.items() if schema.demands)
        self.demands = bool(self.demanding)
        self._readings: dict[str, EventReading] = {}

    def reading(self, event_name: str) -> EventReading:
        """How to read the event of that name, which is in snake_case."""
        found = self._readings.get(event_name)
        return found if found is not None else self._read_anew(event_name)

    def needs_check(self, event_name: str) -> bool:
        """Whether a published schema could refuse the event."""
        return event_name in self.demanding and event_name != TRAITS

    def check(self, event_name: str, properties: Mapping[str, Any]) -> Rejected | None:
        """The first fault of an event's properties, if any."""
        return check(self.schemas[event_name], properties, "properties") if self.needs_check(event_name) else None

    def check_traits(self, traits: Mapping[str, Any]) -> Rejected | None:
        """The first fault of a person's traits, if any."""
        return check(self.schemas[TRAITS], traits, "traits") if TRAITS in self.demanding else None

    def _read_anew(self, event_name: str) -> EventReading:
        schema = self.schemas.get(event_name)
        if schema is None or schema.kind != "event":
            schema = Schema(event_name, properties=USUAL)
        if len(self._readings) >= _READINGS_KEPT:
            self._readings.clear()
        reading = self._readings[event_name] = schema.reading()
        return reading
