"""`portrait profile`: who somebody is, was, and becomes."""

from typing import Annotated, Any, Final

import typer
from portrait.profile.v1 import profiles_service_pb2 as pb
from portrait.profile.v1.profiles_service_pb2_grpc import ProfilesStub
from rich.console import Group, RenderableType
from rich.live import Live
from rich.markup import escape

from libs.cli.calling import Calling
from libs.cli.commands import Commands
from libs.cli.paging import listed
from libs.cli.plain import plain
from libs.cli.portrait import portrait
from libs.cli.said import identifier_said, is_person_id, position_said
from libs.cli.tables import table
from libs.cli.texts import moment, moment_said, shortened

COMMANDS = Commands("Portraits of people: now, as of then, and as they change.")

HEADER: Final = ("person_id", "interactions", "first_seen_at", "last_seen_at")

_NEITHER: Final = "neither a person's id (32 hexadecimal digits) nor"

Person = Annotated[
    str, typer.Argument(help="A person's id, or any identifier as type:value, such as phone:+8613800138000.")
]
AsOf = Annotated[str, typer.Option(help="What had happened by then: a date or a time.")]
KnownAt = Annotated[str, typer.Option(help="What was known by then: a date or a time.")]
AtLeast = Annotated[
    str, typer.Option(help="Wait until this position of the log is in, as partition:position (read your write).")
]
Only = Annotated[
    list[str] | None, typer.Option("--only", help="Only this section, such as traits or spending; may be repeated.")
]


@COMMANDS.command("show", "portrait profile show phone:+8613800138000 --only traits --only spending")
async def show(
    calling: Calling,
    person: Person,
    *,
    only: Only = None,
    as_of: AsOf = "",
    known_at: KnownAt = "",
    at_least: AtLeast = "",
) -> None:
    """Everything known of one person."""
    request = pb.GetProfileRequest(person=reference(person), at=read_at(calling, as_of, known_at, at_least))
    request.field_mask.paths.extend(_sections(only))
    answer = await calling.ask(ProfilesStub(calling.channel).GetProfile, request)
    at = f"as of {as_of}" if as_of else f"as known at {known_at}" if known_at else "now"
    calling.show(answer.profile, lambda: portrait(answer.profile, calling.zone, at))


@COMMANDS.command("as-of", "portrait profile as-of member_no:M100 2026-03-01")
async def as_of(
    calling: Calling,
    person: Person,
    time: Annotated[str, typer.Argument(help="A date or a time; without an offset in the tenant's zone.")],
    *,
    known_at: KnownAt = "",
    only: Only = None,
) -> None:
    """The same as it was at some time: what had happened by then."""
    await show(calling, person, only=only, as_of=time, known_at=known_at)


@COMMANDS.command("timeline", "portrait profile timeline member_no:M100 --event order_completed --limit 10")
async def timeline(
    calling: Calling,
    person: Person,
    *,
    event: Annotated[list[str] | None, typer.Option(help="Only this event; may be repeated.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many, newest first.")] = 20,
    as_of: AsOf = "",
    known_at: KnownAt = "",
    at_least: AtLeast = "",
) -> None:
    """What a person did, newest first."""
    request = pb.ListTimelineRequest(
        person=reference(person), events=event or [], at=read_at(calling, as_of, known_at, at_least)
    )
    stub = ProfilesStub(calling.channel)
    found, last = await listed(calling, stub.ListTimeline, request, lambda page: page.entries, limit)
    calling.show_each(found, lambda: _timeline(calling, found, more=bool(last.next_page_token)))


@COMMANDS.command("watch", "portrait profile watch member_no:M100 -o json")
async def watch(calling: Calling, person: Person, *, only: Only = None) -> None:
    """A portrait now and whenever it changes, until Ctrl-C."""
    request = pb.WatchProfileRequest(person=reference(person))
    request.field_mask.paths.extend(_sections(only))
    answers = calling.stream(ProfilesStub(calling.channel).WatchProfile, request)
    if calling.as_json:
        async for answer in answers:
            calling.line(answer.profile)
        return
    with Live(console=calling.console, auto_refresh=False, vertical_overflow="crop") as live:
        async for answer in answers:
            live.update(portrait(answer.profile, calling.zone, "live"), refresh=True)


def reference(said: str) -> pb.PersonReference:
    """A person as typed. Raises `BadInput`."""
    if is_person_id(said):
        return pb.PersonReference(person_id=said)
    return pb.PersonReference(identifier=identifier_said(said, "PERSON", _NEITHER))


def read_at(calling: Calling, as_of: str, known_at: str, at_least: str) -> pb.ReadAt:
    """Which knowledge an answer is to rest on, as typed. Raises `BadInput`."""
    at = pb.ReadAt()
    if as_of:
        at.as_of.CopyFrom(moment_said("--as-of", as_of, calling.zone))
    if known_at:
        at.known_at.CopyFrom(moment_said("--known-at", known_at, calling.zone))
    if at_least:
        at.at_least.CopyFrom(position_said("--at-least", at_least))
    return at


def _sections(only: list[str] | None) -> list[str]:
    """The paths of a field mask; whose portrait it is belongs to every section."""
    return [*HEADER, *only] if only else []


def _timeline(calling: Calling, found: list[pb.TimelineEntry], *, more: bool) -> RenderableType:
    if not found:
        return "nothing happened that was asked for"
    shown = table("=when", "event", "source", "details", ">position")
    for one in found:
        position = f"{one.position.partition}:{one.position.position}"
        when, details = moment(one.occurred_at, calling.zone), escape(_details(plain(one)["properties"]))
        shown.add_row(when, escape(one.event), escape(one.source), details, f"[dim]{position}[/]")
    return Group(shown, *(["[dim]there is more: --limit[/]"] if more else []))


def _details(properties: dict[str, Any]) -> str:
    """The plain values first; of lists only how long they are."""
    lists = {name: value for name, value in properties.items() if isinstance(value, list)}
    told = [f"{name} {shortened(value, 40)}" for name, value in sorted(properties.items()) if name not in lists]
    return shortened(", ".join(told + [f"{name} ×{len(value)}" for name, value in sorted(lists.items())]), 160)
