"""What tags look like on a terminal: definitions, what they would change, who has which, and why."""

from collections.abc import Sequence
from datetime import tzinfo
from typing import Final

from portrait.tagging.v1 import events_pb2 as events
from portrait.tagging.v1 import tag_pb2 as tags
from portrait.tagging.v1 import tags_service_pb2 as pb
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table

from libs.cli.plain import word
from libs.cli.tables import table
from libs.cli.texts import many, moment

_STATES: Final = tags.DefinitionState.DESCRIPTOR
_ORIGINS: Final = tags.Origin.DESCRIPTOR
_REASONS: Final = events.RemovalReason.DESCRIPTOR
_IDS: Final = 3
"""Event ids that are shown of a part; all of them are in the JSON."""


def definitions(several: Sequence[tags.TagDefinition], zone: tzinfo) -> Table:
    """Definitions, one a line."""
    shown = table("tag", "title", "category", "source", ">version", "state", "=published")
    for one in several:
        title = " · ".join(one.titles[language] for language in sorted(one.titles, reverse=True))
        state = word(_STATES, one.state)
        shown.add_row(
            one.key, escape(title), one.category, one.source, f"{one.version}", state, moment(one.published_at, zone)
        )
    return shown


def plan(where: str, definition: tags.TagDefinition, one: pb.TagPlan) -> RenderableType:
    """What a definition would change."""
    changes = "\n".join(f"  {escape(line)}" for line in one.changes) or "  [dim]nothing[/]"
    parts: list[RenderableType] = [f"[bold]{definition.key}[/] [dim]({escape(where)})[/]\n{changes}"]
    parts += [f"[yellow]●[/] {escape(line)}" for line in one.warnings]
    if not one.changes:
        return Group(*parts)
    of = "all" if one.looked_at >= one.population else f"{one.looked_at:,} of"
    parts.append(
        f"{of} {many(one.population, 'person', 'people')} looked at: {one.gained:,} would get it, "
        f"{one.lost:,} would lose it, {one.changed:,} would have another value; then {one.holding:,} have it"
    )
    if one.reads_history:
        parts.append("[dim]it asks for what nobody kept so far, so history is read before it counts[/]")
    if one.sample:
        shown = table("person", "before", "after", "of", title="For example")
        for change in one.sample:
            shown.add_row(change.person_id, value(change.before), value(change.after), escape(change.of))
        parts.append(shown)
    return Group(*parts)


def held(one: pb.GetPersonTagsResponse, zone: tzinfo) -> Table:
    """The tags of a person."""
    shown = table("tag", "value", "of", "=since", "=ends", "by", title=one.person_id)
    for tag in one.tags:
        sure = f" {tag.confidence:.0%}" if tag.origin == tags.ORIGIN_INFERRED else ""
        origin = word(_ORIGINS, tag.origin) + sure
        ends = moment(tag.expires_at, zone) if tag.HasField("expires_at") else "–"
        shown.add_row(tag.tag, value(tag.value), escape(tag.of), moment(tag.since, zone), ends, origin)
    return shown


def explained(one: pb.ExplainTagResponse, zone: tzinfo) -> RenderableType:
    """Why somebody has a tag or does not."""
    parts: list[RenderableType] = [f"[bold]{one.person_id}[/] {escape(one.summary)}"]
    if one.HasField("by_hand"):
        said = one.by_hand
        until = f" until {moment(said.expires_at, zone)}" if said.HasField("expires_at") else ""
        who = "imported" if said.imported else f"set by {escape(said.by) or 'somebody'}"
        parts.append(f"{who} to {value(said.value)} at {moment(said.set_at, zone)}{until}")
    for reason in one.reasons:
        mark = "[green]✓[/]" if reason.holds else "[red]✗[/]"
        gives = f" → {value(reason.gives)}" if reason.HasField("gives") else ""
        decides = " [bold](decides)[/]" if reason.decides else ""
        parts.append(f"{mark} {escape(reason.about)}{gives}{decides}{_until(reason, zone)}")
        shown = table("", "part", "measured", "would change", "events")
        for leaf in reason.leaves:
            shown.add_row(
                "[green]✓[/]" if leaf.holds else "[red]✗[/]",
                escape(leaf.asks),
                escape(leaf.value),
                escape(leaf.flips) + _until(leaf, zone),
                _ids(leaf.event_ids),
            )
        parts.append(shown)
    return Group(*parts)


def change(one: pb.WatchTagsResponse, zone: tzinfo) -> str:
    """A tag that somebody got or lost, in one line."""
    when = moment(one.occurred_at, zone)
    if one.WhichOneof("change") == "assigned":
        said = one.assigned
        of = f" of {escape(said.of)}" if said.of else ""
        former = f" (was {value(said.former)})" if said.HasField("former") else ""
        backfill = " [dim]from history[/]" if said.backfill else ""
        return f"{when} [green]+[/] {one.person_id} {said.tag} = {value(said.value)}{of}{former}{backfill}"
    lost = one.removed
    return f"{when} [red]-[/] {one.person_id} {lost.tag} [dim]({word(_REASONS, lost.reason)})[/]"


def value(one: tags.TagValue) -> str:
    """A value; a dash for none."""
    match one.WhichOneof("value"):
        case "flag":
            return "yes" if one.flag else "no"
        case "text":
            return escape(one.text)
        case "number":
            return f"{one.number:,.4f}".rstrip("0").rstrip(".")
        case _:
            return "–"


def _until(one: pb.ReasonForTag | pb.ExplainedLeaf, zone: tzinfo) -> str:
    return f" [dim]may change at {moment(one.changes_at, zone)}[/]" if one.HasField("changes_at") else ""


def _ids(ids: Sequence[bytes]) -> str:
    shown = " ".join(one.hex()[:12] for one in ids[-_IDS:])
    return f"{shown} … ({len(ids)})" if len(ids) > _IDS else shown
