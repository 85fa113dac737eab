"""What scores look like on a terminal: how sure tags are of a person, and what each kind of evidence brings."""

from collections.abc import Sequence
from typing import Final

from portrait.tagging.v1 import tag_pb2 as tags
from rich.console import RenderableType
from rich.markup import escape
from rich.table import Table

from libs.cli.tables import table

_IDS: Final = 3
"""Event ids that are shown of a kind; all of them are in the JSON."""


def scores(several: Sequence[tags.PersonScore]) -> Table:
    """Scores, one a line."""
    shown = table("score of", ">score", "level", ">evidence")
    for one in several:
        shown.add_row(one.tag, _number(one), one.level or "–", f"{one.pieces:,}")
    return shown


def explained(one: tags.PersonScore, contributions: Sequence[tags.ScoreContribution]) -> list[RenderableType]:
    """A score with the points that make it."""
    level = f" [dim]({one.level})[/]" if one.level else ""
    said = f"{_number(one)}{level}" if one.HasField("value") else "none, too little is known"
    shown = table("from", "asks", ">evidence", ">points", "events")
    for each in contributions:
        points = f"{each.points:,.2f}"
        shown.add_row(each.about, escape(each.asks), f"{each.pieces:,}", points, _ids(each.event_ids))
    return [f"score: [bold]{said}[/]", shown]


def _number(one: tags.PersonScore) -> str:
    return f"{one.value:.2f}" if one.HasField("value") else "–"


def _ids(ids: Sequence[bytes]) -> str:
    shown = " ".join(one.hex()[:12] for one in ids[-_IDS:])
    return f"{shown} … ({len(ids)})" if len(ids) > _IDS else shown
