"""What segments look like on a terminal: definitions, members who come and go, and why."""

from collections.abc import Sequence
from datetime import tzinfo
from typing import Final

from portrait.tagging.v1 import events_pb2 as events
from portrait.tagging.v1 import segment_pb2 as segments_pb
from portrait.tagging.v1 import segments_service_pb2 as pb
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table

from libs.cli import labels
from libs.cli.plain import word
from libs.cli.tables import table
from libs.cli.texts import many, moment
from libs.cli.versions import versions

_REASONS: Final = events.RemovalReason.DESCRIPTOR
_MOST_REFUSED: Final = 20
"""Rows that are shown; all of them are in the JSON."""


def segments(several: Sequence[segments_pb.SegmentDefinition], zone: tzinfo) -> Table:
    """Segments, one a line."""
    more = {"members by": lambda one: "list" if one.is_list else "condition", "owner": lambda one: one.owner}
    return versions(several, zone, "segment", more)


def explained(one: pb.ExplainMembershipResponse, zone: tzinfo) -> RenderableType:
    """Why somebody is a member or is not."""
    parts: list[RenderableType] = [f"[bold]{one.person_id}[/] {escape(one.summary)}"]
    if one.HasField("by_hand"):
        into = "put into it" if one.by_hand.value.flag else "taken out of it"
        parts.append(f"{into} by {escape(one.by_hand.by) or 'somebody'} at {moment(one.by_hand.set_at, zone)}")
    return Group(*parts, *labels.reasons(one.reasons, zone))


def uploaded(one: pb.UploadListResponse, segment: str) -> RenderableType:
    """What became of a file."""
    told = f"{many(one.recorded, 'row')} recorded, {one.duplicates:,} known before, {len(one.refused):,} refused"
    parts: list[RenderableType] = [f"[green]●[/] {segment}: {told}"]
    if one.refused:
        shown = table(">line", "refused because")
        for row in one.refused[:_MOST_REFUSED]:
            shown.add_row(f"{row.row}", escape(row.reason))
        parts.append(shown)
    return Group(*parts)


def change(one: pb.WatchSegmentResponse, zone: tzinfo) -> str:
    """Somebody who entered or left, in one line."""
    when = moment(one.occurred_at, zone)
    if one.WhichOneof("change") == "entered":
        backfill = " [dim]from history[/]" if one.entered.backfill else ""
        return f"{when} [green]+[/] {one.person_id} {one.entered.segment}{backfill}"
    return f"{when} [red]-[/] {one.person_id} {one.left.segment} [dim]({word(_REASONS, one.left.reason)})[/]"
