"""What tags look like on a terminal: definitions, what they would change, who has which, and why."""

from collections.abc import Iterator, Sequence
from datetime import tzinfo
from typing import Final, Protocol

from portrait.tagging.v1 import events_pb2 as events
from portrait.tagging.v1 import tag_pb2 as tags
from portrait.tagging.v1 import tags_service_pb2 as pb
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table

from libs.cli import score_looks
from libs.cli.plain import word
from libs.cli.tables import table
from libs.cli.texts import many, moment
from libs.cli.versions import versions

_ORIGINS: Final = tags.Origin.DESCRIPTOR
_REASONS: Final = events.RemovalReason.DESCRIPTOR
_IDS: Final = 3
"""Event ids that are shown of a part; all of them are in the JSON."""


class Keyed(Protocol):
    """A definition of any kind."""

    key: str


def definitions(several: Sequence[tags.TagDefinition], zone: tzinfo) -> Table:
    """Definitions, one a line."""
    more = {"category": lambda one: one.category, "source": lambda one: one.source}
    return versions(several, zone, "tag", more)


def plan(where: str, definition: Keyed, one: pb.TagPlan) -> RenderableType:
    """What a definition would change."""
    changes = "\n".join(f"  {escape(line)}" for line in one.changes) or "  [dim]nothing[/]"
    parts: list[RenderableType] = [f"[bold]{definition.key}[/] [dim]({escape(where)})[/]\n{changes}"]
    parts += [f"[yellow]●[/] {escape(line)}" for line in one.warnings]
    if not one.changes or (one.population and not one.looked_at):
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


def held(one: pb.GetPersonTagsResponse, zone: tzinfo) -> RenderableType:
    """The tags of a person, their scores, their segments, their tier and their stage."""
    shown = table("tag", "value", "of", "=since", "=may change at", "by", title=one.person_id)
    for tag in one.tags:
        sure = f" {tag.confidence:.0%}" if tag.origin == tags.ORIGIN_INFERRED else ""
        origin = word(_ORIGINS, tag.origin) + sure
        ends = moment(tag.expires_at, zone) if tag.HasField("expires_at") else "–"
        shown.add_row(tag.tag, value(tag.value), escape(tag.of), moment(tag.since, zone), ends, origin)
    beside = [f"segments: {', '.join(each.segment for each in one.segments)}"] if one.segments else []
    beside += [f"tier: {one.tier.tier} since {moment(one.tier.since, zone)}"] if one.HasField("tier") else []
    beside += [f"stage: {one.stage.stage} since {moment(one.stage.since, zone)}"] if one.HasField("stage") else []
    scored = [score_looks.scores(one.scores)] if one.scores else []
    return Group(shown, *scored, *beside)


def explained(one: pb.ExplainTagResponse, zone: tzinfo) -> RenderableType:
    """Why somebody has a tag or does not."""
    parts: list[RenderableType] = [f"[bold]{one.person_id}[/] {escape(one.summary)}"]
    if one.HasField("by_hand"):
        said = one.by_hand
        until = f" until {moment(said.expires_at, zone)}" if said.HasField("expires_at") else ""
        who = "imported" if said.imported else f"set by {escape(said.by) or 'somebody'}"
        parts.append(f"{who} to {value(said.value)} at {moment(said.set_at, zone)}{until}")
    parts += reasons(one.reasons, zone)
    if one.HasField("score"):
        parts += score_looks.explained(one.score, one.contributions)
    return Group(*parts)


def reasons(several: Sequence[pb.ReasonForTag], zone: tzinfo) -> Iterator[RenderableType]:
    """Every condition with its parts."""
    for reason in several:
        mark = "[green]✓[/]" if reason.holds else "[red]✗[/]"
        gives = f" → {value(reason.gives)}" if reason.HasField("gives") else ""
        decides = " [bold](decides)[/]" if reason.decides else ""
        yield f"{mark} {escape(reason.about)}{gives}{decides}{_until(reason, zone)}"
        shown = table("", "part", "measured", "would change", "events")
        for leaf in reason.leaves:
            shown.add_row(
                "[green]✓[/]" if leaf.holds else "[red]✗[/]",
                escape(leaf.asks),
                escape(leaf.value),
                escape(leaf.flips) + _until(leaf, zone),
                _ids(leaf.event_ids),
            )
        yield shown


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
