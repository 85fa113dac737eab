"""`portrait projection`: how far projections are, and their versions."""

import asyncio
from typing import Annotated, Any, Final
from uuid import uuid4

import typer
from portrait.ops.v1 import projections_service_pb2 as pb
from portrait.ops.v1.projections_service_pb2_grpc import ProjectionsStub
from rich.console import Group, RenderableType
from rich.markup import escape

from libs.cli.asking import sure
from libs.cli.calling import Calling
from libs.cli.commands import Commands
from libs.cli.errors import CommandFailed
from libs.cli.paging import LARGEST_PAGE
from libs.cli.plain import plain
from libs.cli.progress import Stage, stages
from libs.cli.status import projections_table
from libs.cli.tables import table
from libs.cli.texts import lasting, many, shortened

EVERY: Final = 0.5  # seconds
MOST_FIELDS: Final = 20
MOST_CHANGES: Final = 8  # of one person

Projection = Annotated[str, typer.Argument(help="The projection, such as portraits.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


COMMANDS = Commands("What is computed from the logs: how far it is, and in which versions.")


@COMMANDS.command("list", "portrait projection list")
async def list_projections(calling: Calling) -> None:
    """Every projection of the service with its lag."""
    answer = await calling.ask(ProjectionsStub(calling.channel).ListProjections, pb.ListProjectionsRequest())
    rows = [(calling.address, one) for one in answer.projections]
    calling.show_each(answer.projections, lambda: projections_table(rows))


@COMMANDS.command("rebuild", "portrait projection rebuild portraits")
async def rebuild(
    calling: Calling,
    projection: Projection = "portraits",
    *,
    workers: Annotated[int, typer.Option(min=1, max=32, help="Processes that share the work.")] = 2,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Start none, follow the last one.")] = False,
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Start it and leave it alone.")] = False,
    yes: Yes = False,
) -> None:
    """Fold the whole log anew beside what is read, under today's settings and schemas, and say what would change.

    What is read stays as it is until `switch`. The rebuild goes on when this command is stopped.
    """
    platform = calling.as_platform()
    stub = ProjectionsStub(platform.channel)
    if not follow:
        plan = await platform.ask(
            stub.StartRebuild, pb.StartRebuildRequest(projection=projection, workers=workers, validate_only=True)
        )
        if not yes and not calling.as_json:
            calling.console.print(_plan(plan))
        sure(f"Rebuild {projection} with {many(workers, 'process', 'processes')}?", yes=yes)
        await platform.ask(
            stub.StartRebuild,
            pb.StartRebuildRequest(projection=projection, workers=workers, request_id=uuid4().hex),
        )
    one = await (_last(platform, projection) if detach else _followed(platform, projection))
    if detach:
        calling.show(one, lambda: f"version {one.version} is being built: portrait projection rebuild --follow")
    elif one.phase == pb.REBUILD_PHASE_CANCELLED:
        raise CommandFailed(f"the rebuild of version {one.version} was cancelled")
    else:
        await _show_difference(calling, projection, one.version, 0)


@COMMANDS.command("diff", "portrait projection diff portraits --limit 20")
async def diff(
    calling: Calling,
    projection: Projection = "portraits",
    *,
    version: Annotated[int, typer.Option(min=0, help="The version that was built; default: the last.")] = 0,
    limit: Annotated[int, typer.Option(min=0, max=LARGEST_PAGE, help="Show so many people who differ.")] = 10,
    again: Annotated[bool, typer.Option("--again", help="Compare anew, as both versions are now.")] = False,
) -> None:
    """How a version that was built differs from the one beside it: how many people, which fields, and some of them."""
    if again:
        platform = calling.as_platform()
        request = pb.DiffRebuildRequest(projection=projection, version=version, compare_again=True)
        await platform.ask(ProjectionsStub(platform.channel).DiffRebuild, request)
        await _followed(platform, projection, version)
    await _show_difference(calling, projection, version, limit)


@COMMANDS.command("switch", "portrait projection switch portraits --to 2")
async def switch(
    calling: Calling,
    projection: Projection = "portraits",
    *,
    to: Annotated[int, typer.Option(min=1, help="The version to read.")],
    yes: Yes = False,
) -> None:
    """Let another version be read, at once; the same command with the former one switches back."""
    sure(f"Read version {to} of {projection}, for all tenants?", yes=yes)
    platform = calling.as_platform()
    request = pb.SwitchProjectionRequest(projection=projection, version=to, request_id=uuid4().hex)
    answer = await platform.ask(ProjectionsStub(platform.channel).SwitchProjection, request)
    back = f"back: portrait projection switch {projection} --to {answer.before}"
    calling.show(answer, lambda: f"[green]●[/] version {answer.after} is read, before it was {answer.before} ({back})")


@COMMANDS.command("cancel", "portrait projection cancel portraits")
async def cancel(calling: Calling, projection: Projection = "portraits", *, yes: Yes = False) -> None:
    """Give up the rebuild that runs, and drop what it has made."""
    platform = calling.as_platform()
    one = await _last(platform, projection)
    sure(f"Give up the rebuild of version {one.version} of {projection}?", yes=yes)
    request = pb.CancelRebuildRequest(projection=projection, version=one.version)
    answer = await platform.ask(ProjectionsStub(platform.channel).CancelRebuild, request)
    calling.show(answer, lambda: f"gave up version {one.version}")


@COMMANDS.command("retire", "portrait projection retire portraits --version 1")
async def retire(
    calling: Calling,
    projection: Projection = "portraits",
    *,
    version: Annotated[int, typer.Option(min=1, help="A version that is not read.")],
    yes: Yes = False,
) -> None:
    """Drop a version that is no longer needed; switching to it would then take a rebuild."""
    sure(f"Drop version {version} of {projection}?", yes=yes)
    platform = calling.as_platform()
    request = pb.RetireProjectionRequest(projection=projection, version=version)
    answer = await platform.ask(ProjectionsStub(platform.channel).RetireProjection, request)
    calling.show(answer, lambda: f"dropped version {version}")


async def _last(platform: Calling, projection: str, version: int = 0) -> pb.Rebuild:
    request = pb.GetRebuildRequest(projection=projection, version=version)
    return (await platform.ask(ProjectionsStub(platform.channel).GetRebuild, request)).rebuild


async def _followed(platform: Calling, projection: str, version: int = 0) -> pb.Rebuild:
    """Show how a rebuild goes until it ends."""
    with stages() as shown:
        while True:
            one = await _last(platform, projection, version)
            if one.phase not in {pb.REBUILD_PHASE_BUILD, pb.REBUILD_PHASE_COMPARE}:
                return one
            shown.show(_stage(one))
            await asyncio.sleep(EVERY)


def _stage(one: pb.Rebuild) -> Stage:
    left = f"{lasting(one.left.ToTimedelta().total_seconds())} left" if one.HasField("left") else ""
    waits = f"waiting: {one.trouble}" if one.trouble else "waiting for a process"
    if one.phase == pb.REBUILD_PHASE_COMPARE:
        said = f"{many(one.keys_compared, 'person', 'people')}  {left}"
        return Stage("comparing", one.keys_compared, one.keys, said if one.running else waits)
    said = f"{many(one.events, 'event')}  {one.events_per_second:,.0f}/s  {left}"
    return Stage("building", one.events, one.events_wanted, said if one.running else waits)


async def _show_difference(calling: Calling, projection: str, version: int, limit: int) -> None:
    platform = calling.as_platform()
    request = pb.DiffRebuildRequest(projection=projection, version=version, page_size=max(limit, 1))
    answer = await platform.ask(ProjectionsStub(platform.channel).DiffRebuild, request)
    del answer.differences[limit:]
    calling.show(answer, lambda: _difference(answer))


def _plan(plan: pb.StartRebuildResponse) -> RenderableType:
    if not plan.changes:
        return "the new version means the same as the one that is read; it differs only where that is wrong"
    return Group("the new version means something else:", *(f"  {escape(change)}" for change in plan.changes))


def _difference(answer: pb.DiffRebuildResponse) -> RenderableType:
    one = answer.rebuild
    parts: list[RenderableType] = [_sentence(answer)]
    if answer.fields:
        fields = table("field", ">people", title="Fields")
        for field in answer.fields[:MOST_FIELDS]:
            fields.add_row(field.field, f"{field.keys:,}")
        parts.append(fields)
    for key in answer.differences:
        place = f"{key.position.partition}:{key.position.position}"
        changes = table("field", "entry", f"version {one.against}", f"version {one.version}")
        for change in key.changes[:MOST_CHANGES]:
            changes.add_row(change.field, escape(change.entry), _said(change, "before"), _said(change, "after"))
        more = len(key.changes) - MOST_CHANGES + key.more
        rest = [f"[dim]and {many(more, 'entry', 'entries')} more[/]"] if more > 0 else []
        parts.append(Group(f"[bold]{key.key.hex()}[/] [dim]{key.tenant} at {place}[/]", changes, *rest))
    return Group(*parts)


def _sentence(answer: pb.DiffRebuildResponse) -> str:
    one, people = answer.rebuild, many(answer.keys, "person", "people")
    parked = f"; {answer.parked_before:,} → {answer.parked_after:,} stand still before an event that can't be folded"
    parked = parked if answer.parked_before or answer.parked_after else ""
    if not answer.differing:
        return f"[green]●[/] version {one.version} says of {people} what version {one.against} says{parked}"
    return (
        f"[yellow]●[/] version {one.version} differs from version {one.against} in {answer.differing:,} of "
        f"{people}{parked}"
    )


def _said(change: pb.EntryDifference, side: str) -> str:
    said: dict[str, Any] = plain(change)
    return escape(shortened(said[side], 60)) if said.get(side) is not None else "[dim]–[/]"
