"""What identities look like on a terminal: people, evidence, and what rules would change."""

from collections.abc import Iterator, Sequence
from datetime import tzinfo
from typing import Final

from portrait.identity.v1 import identities_service_pb2 as pb
from portrait.identity.v1 import person_pb2, rules_pb2
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table

from libs.cli.plain import word
from libs.cli.tables import table
from libs.cli.texts import many, moment

SHORT_ID: Final = 12
_STANDINGS: Final = person_pb2.Standing.DESCRIPTOR


def person(one: person_pb2.Person, zone: tzinfo) -> RenderableType:
    """One person with all identifiers."""
    shown = table("type", "value", "which part", "=first seen", title=one.person_id)
    for identifier in one.identifiers:
        mark = " [green]✓[/]" if identifier.verified else ""
        part = part_of(identifier, zone)
        shown.add_row(
            identifier.type,
            f"{escape(_value(identifier))}{mark}{standing(identifier.standing)}",
            part,
            moment(identifier.first_seen_at, zone),
        )
    former = f"[dim]formerly {', '.join(one.former_ids)}[/]"
    return Group(shown, former) if one.former_ids else shown


def people(several: Sequence[person_pb2.Person], zone: tzinfo) -> RenderableType:
    """Several, one below the other."""
    return Group(*(person(one, zone) for one in several))


def resolutions(asked: Sequence[str], answers: Sequence[pb.Resolution]) -> Table:
    """Whom identifiers name."""
    shown = table("identifier", "=person", "")
    for said, answer in zip(asked, answers, strict=True):
        shown.add_row(escape(said), answer.person_id or "[dim]–[/]", ", ".join(_remarks(answer)))
    return shown


def explained(answer: pb.ExplainPersonResponse, zone: tzinfo) -> RenderableType:
    """Why identifiers are one person, or not."""
    return Group(*_explanation(answer, zone))


def decided(answer: pb.Decided, zone: tzinfo, *, dry: bool) -> RenderableType:
    """What a decision led to, or would lead to."""
    parts: list[RenderableType] = []
    if dry:
        parts.append("[dim]nothing was decided; it would be so:[/]")
    elif answer.event_id:
        place = f"{answer.position.partition}:{answer.position.position}"
        parts.append(f"[green]●[/] decided [dim](event {answer.event_id.hex()} at {place} of the identity log)[/]")
    if answer.note:
        parts.append(f"[yellow]●[/] {escape(answer.note)}")
    return Group(*parts, people(answer.people, zone))


def plan(one: rules_pb2.RulesPlan) -> RenderableType:
    """What rules would change."""
    changes = "\n".join(f"  {escape(line)}" for line in one.changes) or "  [dim]nothing[/]"
    counts = (
        f"{many(one.identifiers, 'identifier')} looked at: {one.moved:,} would change their person, "
        f"{one.shared_changed:,} begin or cease to be shared\n"
        f"{many(one.merged, 'person', 'people')} would be several of today's, "
        f"{one.split:,} of today's would come apart"
    )
    parts: list[RenderableType] = [f"[bold]In the rules[/]\n{changes}", f"[bold]For people[/]\n{counts}"]
    if one.sample:
        shown = table("=before", "=after", "because", title="For example")
        for change in one.sample:
            shown.add_row(
                "\n".join(map(_short, change.before)), "\n".join(map(_short, change.after)), escape(change.reason)
            )
        parts.append(shown)
    return Group(*parts)


def change(one: pb.WatchChangesResponse) -> str:
    """A change in one line."""
    match one.WhichOneof("change"):
        case "moved":
            moved, part = one.moved, " (a part)" if one.moved.HasField("span") else ""
            return f"[bold]moved[/]   {moved.key.hex()}{part}: {moved.from_person.hex()} → {moved.to_person.hex()}"
        case "merged":
            return f"[bold]merged[/]  {' + '.join(one.merged.before)} → {one.merged.after}"
        case "split":
            return f"[bold]split[/]   {one.split.before} → {' + '.join(one.split.after)}"
        case "cut":
            cut = one.cut
            return f"[bold]cut[/]     {escape(named(cut.identifier))}: {escape(cut.reason) or 'whole again'}"
        case _:
            return ""


def standing(number: "person_pb2.Standing.ValueType") -> str:
    """What an identifier may not do, as a remark."""
    said = word(_STANDINGS, number)
    return f" [yellow]{said}[/]" if said else ""


def part_of(identifier: person_pb2.KnownIdentifier, zone: tzinfo) -> str:
    """Which part of an identifier is meant; empty for all of it."""
    if not identifier.HasField("span"):
        return ""
    span = identifier.span
    match span.WhichOneof("part"):
        case "session":
            return f"session {span.session[:SHORT_ID]}…"
        case "beside":
            return f"along with {span.beside[:SHORT_ID]}…"
        case _:
            start = moment(getattr(span.interval, "from"), zone)[:10]
            return f"{start} until {moment(span.interval.until, zone)[:10]}".replace("–", "…")


def _explanation(answer: pb.ExplainPersonResponse, zone: tzinfo) -> Iterator[RenderableType]:
    yield f"[{'green' if answer.same else 'yellow'}]●[/] {escape(answer.summary)}"
    if answer.chain:
        yield edges("What joins", answer.chain, zone)
    if answer.refused:
        yield edges("What does not", answer.refused, zone)
    for cut in answer.cuts:
        yield f"[yellow]●[/] {escape(cut.reason)}"
    yield people(answer.people, zone)


def edges(title: str, those: Sequence[person_pb2.Edge], zone: tzinfo) -> Table:
    """Evidence, a row each."""
    shown = table("one", "other", "because", "=first", "event", title=title)
    for edge in those:
        first = moment(edge.first_seen_at, zone)[:10]
        events = "\n".join(_short(event.hex()) for event in edge.event_ids)
        shown.add_row(
            escape(named(edge.one)), escape(named(edge.other)), escape(edge.reason), first, f"[dim]{events}[/]"
        )
    return shown


def _remarks(answer: pb.Resolution) -> Iterator[str]:
    if answer.unusable:
        yield f"[yellow]names nobody: {answer.unusable}[/]"
        return
    if not answer.known:
        yield "[dim]never seen[/]"
    if answer.standing:
        yield f"[yellow]{word(_STANDINGS, answer.standing)}[/]"
    if answer.cut:
        yield "its history is in parts"


def named(identifier: person_pb2.KnownIdentifier) -> str:
    """An identifier in a sentence."""
    return f"{identifier.type} {_value(identifier)}"


def _value(identifier: person_pb2.KnownIdentifier) -> str:
    return identifier.value or _short(identifier.key)


def _short(id_: str) -> str:
    return f"{id_[:SHORT_ID]}…"
