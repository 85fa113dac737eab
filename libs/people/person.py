"""A person as the map knows them: an id, and the identifiers and parts of identifiers that it stands for."""

from typing import NamedTuple

from libs.people.spans import WHOLE, AtTimes, Cut, Span, begins_at, span_of
from libs.runtime.clock import Micros


class Name(NamedTuple):
    """How somebody is named: by a OneID, present or former, or by an identifier as of a time.

    The time matters for an identifier that passed on: whoever has it then is meant, while its key as a OneID goes on
    meaning the person whom it founded.
    """

    key: bytes
    at: Micros | None = None


class Member(NamedTuple):
    """A place that is a person's, and how its identifier is cut; `version` is that of the cut, 0 if there never was."""

    identifier: bytes
    span: Span = WHOLE
    cut: Cut | None = None
    version: int = 0


class Person(NamedTuple):
    """Everything that makes up one person."""

    id: bytes
    members: tuple[Member, ...]


def alone(key: bytes) -> Person:
    """Whoever was never linked: an identifier that is its own person."""
    return Person(key, (Member(key),))


def span_meant(name: Name, span: Span, cut: Cut | None) -> Span:
    """Which part of an identifier a name means today; `span` is the one whose own id the name is.

    A part that is cut otherwise by now, or no more, still finds what it was a part of.
    """
    if name.at is not None:
        return span_of(cut, name.at, "", None) if isinstance(cut, AtTimes) else WHOLE
    if span == WHOLE or cut is None:
        return WHOLE
    begin = begins_at(span)
    if isinstance(cut, AtTimes):
        return WHOLE if begin is None else span_of(cut, begin, "", None)
    return WHOLE if begin is not None else span
