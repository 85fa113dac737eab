"""Why an interaction can't be recorded as it is."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

_LONGEST_FIELD: Final = 300


class Reason(StrEnum):
    """Names of what can be wrong with a document; they are on the wire and in quarantine, and never change.

    The document as a whole: TOO_LARGE, INVALID_UTF8, MALFORMED_JSON (NaN and Infinity are not JSON either), TOO_DEEP.
    One of its fields: MISSING_FIELD, WRONG_TYPE, UNKNOWN_TYPE (no such `type`), INVALID_TEXT (control characters in a
    name, or half a surrogate pair anywhere), TOO_LONG, TOO_MANY_ENTRIES, TOO_MANY_PROPERTIES, NUMBER_OUT_OF_RANGE,
    INVALID_TIME, BEYOND_CEILING (later than a tenant on event time allows), UNKNOWN_PROPERTY (the schema forbids it).
    Nobody to attach it to: NO_USABLE_IDENTIFIER.
    """

    TOO_LARGE = "TOO_LARGE"
    INVALID_UTF8 = "INVALID_UTF8"
    MALFORMED_JSON = "MALFORMED_JSON"
    TOO_DEEP = "TOO_DEEP"
    MISSING_FIELD = "MISSING_FIELD"
    WRONG_TYPE = "WRONG_TYPE"
    UNKNOWN_TYPE = "UNKNOWN_TYPE"
    INVALID_TEXT = "INVALID_TEXT"
    TOO_LONG = "TOO_LONG"
    TOO_MANY_ENTRIES = "TOO_MANY_ENTRIES"
    TOO_MANY_PROPERTIES = "TOO_MANY_PROPERTIES"
    NUMBER_OUT_OF_RANGE = "NUMBER_OUT_OF_RANGE"
    INVALID_TIME = "INVALID_TIME"
    BEYOND_CEILING = "BEYOND_CEILING"
    UNKNOWN_PROPERTY = "UNKNOWN_PROPERTY"
    NO_USABLE_IDENTIFIER = "NO_USABLE_IDENTIFIER"


@dataclass(frozen=True, slots=True)
class Rejected:
    """A document that goes to quarantine.

    `field` is the path at fault, such as "identifiers.phone" or "properties.products[2].price", empty for the whole; it
    may hold the producer's own names, so it is shortened and made printable. `message` is one sentence for people and
    never quotes a value, which may be personal.
    """

    reason: Reason
    field: str
    message: str

    def __post_init__(self) -> None:
        if not self.field.isprintable() or len(self.field) > _LONGEST_FIELD:
            shown = "".join(sign if sign.isprintable() else "\ufffd" for sign in self.field[:_LONGEST_FIELD])
            object.__setattr__(self, "field", shown)
