"""What the lifecycle looks like on a terminal: its versions, and how somebody came to their stage."""

from collections.abc import Sequence
from datetime import tzinfo
from typing import Final

from portrait.tagging.v1 import lifecycle_pb2
from portrait.tagging.v1 import tags_service_pb2 as pb
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table

from libs.cli.tables import table
from libs.cli.versions import versions

_IDS: Final = 3
"""Event ids that are shown of a part; all of them are in the JSON."""


def lifecycles(several: Sequence[lifecycle_pb2.LifecycleDefinition], zone: tzinfo) -> Table:
    """The versions of the lifecycle, one a line."""
    more = {"stages": lambda one: ", ".join(stage.key for stage in one.stages)}
    return versions(several, zone, "lifecycle", more)


def explained(one: pb.ExplainStageResponse) -> RenderableType:
    """Every move with its day and its reasons, and what lies ahead."""
    parts: list[RenderableType] = [f"[bold]{one.person_id}[/] {escape(one.summary)}"]
    for move in one.moves:
        parts += _move(move, "")
    for move in one.ahead:
        parts += _move(move, "[dim]ahead[/] ")
    return Group(*parts)


def _move(move: pb.StageMove, before: str) -> list[RenderableType]:
    if not move.former:
        return [f"{before}{move.day} begins in [bold]{move.stage}[/]"]
    by = "as time passed" if move.by_time else "by what happened"
    told = f"{before}{move.day} {move.former} → [bold]{move.stage}[/] {by} [dim]({escape(move.move)})[/]"
    shown = table("", "part", "measured", "events")
    for leaf in move.leaves:
        shown.add_row(
            "[green]✓[/]" if leaf.holds else "[red]✗[/]", escape(leaf.asks), escape(leaf.value), _ids(leaf.event_ids)
        )
    return [told, shown]


def _ids(ids: Sequence[bytes]) -> str:
    shown = " ".join(one.hex()[:12] for one in ids[-_IDS:])
    return f"{shown} … ({len(ids)})" if len(ids) > _IDS else shown
