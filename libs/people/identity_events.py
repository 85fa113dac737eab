"""What consumers of the identity log read in it: where identifiers belong, how they are cut, and by which rules."""

from collections.abc import Iterable
from typing import Final, NamedTuple

from portrait.identity.v1 import events_pb2 as pb
from portrait.log.v1 import event_pb2 as log_pb

from libs.people.keys import KEY_BYTES
from libs.people.spans import AtTimes, ByIdentifier, BySession, Cut, Span, own_id, since

LOG: Final = "identity"
MOVED: Final = "identifier_moved"
CUT: Final = "anchor_cut"
RULES: Final = "rules_published"
VERSION: Final = 1
"""The newest form of their payloads that this release reads."""


class Move(NamedTuple):
    """A place belongs to a person; of one place the highest version stands."""

    identifier: bytes
    span: Span
    person: bytes
    version: int


class CutMade(NamedTuple):
    """An identifier falls into other spans; of one identifier the highest version stands. None: it is whole again."""

    identifier: bytes
    cut: Cut | None
    version: int


class RulesMade(NamedTuple):
    """A tenant goes by a document of identifier rules; of its versions the highest stands."""

    tenant: str
    version: int
    document: str


class News(NamedTuple):
    """What some events of the identity log say about one tenant."""

    moves: list[Move]
    cuts: list[CutMade]


def news_in(events: Iterable[log_pb.Event]) -> dict[str, News]:
    """What concerns the map, by tenant; the other events of the log are for people and for other readers.

    Raises `DecodeError` of protobuf for what can't be read, and `ValueError` for what only a newer release can.
    """
    news: dict[str, News] = {}
    for event in events:
        if event.type == MOVED:
            said = pb.Moved.FromString(event.payload)
            _of(news, event).moves.append(Move(event.key, said.span, said.to_person, said.version))
        elif event.type == CUT:
            made = pb.AnchorCut.FromString(event.payload)
            _of(news, event).cuts.append(CutMade(event.key, cut_in(made), made.version))
    return news


def rules_in(events: Iterable[log_pb.Event]) -> list[RulesMade]:
    """The rules that were published; raises as `news_in` does."""
    return [_rules(event) for event in events if event.type == RULES]


def cut_in(said: pb.AnchorCut) -> Cut | None:
    """How an identifier is cut; None where it is whole."""
    match said.WhichOneof("cut"):
        case None:
            return None
        case "by_session":
            return BySession()
        case "by_identifier":
            return ByIdentifier()
        case "at_times":
            return AtTimes(tuple(said.at_times.times_micros))


def places_begun(cut: CutMade) -> list[Move]:
    """The spans that a cut at times makes, each its own person until it is moved.

    They must be known before that, for their ids do not say whose spans they are.
    """
    times = cut.cut.times if isinstance(cut.cut, AtTimes) else ()
    return [Move(cut.identifier, since(time), own_id(cut.identifier, since(time)), 0) for time in times]


def _rules(event: log_pb.Event) -> RulesMade:
    _check_version(event)
    said = pb.RulesPublished.FromString(event.payload)
    return RulesMade(event.tenant, said.version, said.document)


def _check_version(event: log_pb.Event) -> None:
    if event.version > VERSION:
        raise ValueError(f"{event.type} has version {event.version}; this release knows up to {VERSION}")


def _of(news: dict[str, News], event: log_pb.Event) -> News:
    _check_version(event)
    if len(event.key) != KEY_BYTES:
        raise ValueError(f"{event.type} is filed under {len(event.key)} bytes, which are no identifier")
    return news.setdefault(event.tenant, News([], []))
