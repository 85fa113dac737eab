"""`portrait status`."""

import asyncio
from typing import Annotated, Any

import typer
from portrait.ops.v1 import projections_service_pb2 as ops_pb
from rich.console import Group, RenderableType
from rich.live import Live
from rich.table import Table

from libs.cli.calling import Calling
from libs.cli.commands import in_help, with_calling
from libs.cli.plain import plain, word
from libs.cli.stack import LOOKS
from libs.cli.standing import Standing, standing
from libs.cli.tables import table
from libs.cli.texts import lasting, many
from libs.cli.where import answers_here, running_stack

EVERY = 1.0  # seconds
_KIND = ops_pb.ProjectionKind.DESCRIPTOR
_STATE = ops_pb.VersionState.DESCRIPTOR


def add(app: typer.Typer) -> None:
    """Add the command."""
    app.command("status", epilog=in_help("portrait status --watch"))(with_calling(status, "profile"))


async def status(
    calling: Calling, *, watch: Annotated[bool, typer.Option("--watch", "-w", help="Again every second.")] = False
) -> None:
    """What runs, how far each log and projection is, and what waits for a person.

    The exit status is 1 unless everything serves.
    """
    if watch:
        await _watch(calling)
        return
    now = await _look(calling)
    calling.show(as_data(now), lambda: as_table(now))
    if not now.well:
        raise typer.Exit(1)


async def _watch(calling: Calling) -> None:
    if calling.as_json:
        while True:
            calling.line(as_data(await _look(calling)))
            await asyncio.sleep(EVERY)
    with Live(as_table(await _look(calling)), console=calling.console, auto_refresh=False) as live:
        while True:
            await asyncio.sleep(EVERY)
            live.update(as_table(await _look(calling)), refresh=True)


async def _look(calling: Calling) -> Standing:
    stack = running_stack(calling.data)
    return await standing(calling, stack if answers_here(calling.address, stack) else None)


def as_data(now: Standing) -> dict[str, Any]:
    """For programs."""
    return {
        "well": now.well,
        "parts": [
            {"name": part.name, "state": part.state, "pid": part.pid, "restarts": part.restarts, "detail": part.detail}
            for part in now.parts
        ],
        "services": [
            {
                "name": one.name,
                "address": one.address,
                "serving": one.serving,
                "log": one.heads.log if one.heads else None,
                "heads": {str(head.partition): head.position for head in one.heads.heads} if one.heads else {},
                "relay_lag_events": one.relay_lag,
                "projections": [plain(projection) for projection in one.projections],
                "quarantined": one.quarantined,
            }
            for one in now.services
        ],
    }


def as_table(now: Standing) -> RenderableType:
    """For people."""
    rows = [(one.name, projection) for one in now.services for projection in one.projections]
    return Group(*([_parts(now)] if now.parts else []), _logs(now), *([projections_table(rows)] if rows else []))


def _parts(now: Standing) -> Table:
    shown = table("process", "state", ">pid", ">restarts", "where", title="Processes")
    for part in now.parts:
        state = f"{LOOKS[part.state]} {part.state}"
        shown.add_row(part.name, state, str(part.pid or "–"), _alarming(part.restarts), part.detail or part.address)
    return shown


def _logs(now: Standing) -> Table:
    shown = table(
        "service", "health", "log", ">events", ">to relay", ">quarantined", "heads by partition", title="Logs"
    )
    for one in now.services:
        health = "[green]● serving[/]" if one.serving else "[red]● does not serve[/]"
        heads = [head.position for head in one.heads.heads] if one.heads else []
        shown.add_row(
            one.name,
            health,
            one.heads.log if one.heads else "–",
            f"{sum(heads):,}" if one.heads else "–",
            _alarming(one.relay_lag),
            _alarming(one.quarantined),
            f"[dim]{' '.join(map(str, heads))}[/]",
        )
    return shown


def projections_table(rows: list[tuple[str, ops_pb.Projection]]) -> Table:
    """Projections of services, by (service, projection)."""
    shown = table("service", "projection", "kind", "of log", ">lag", ">oldest", ">dead letters", title="Projections")
    for service, one in rows:
        lag = many(one.lag_events, "event") if one.lag_events else "[green]none[/]"
        age = lasting(one.lag_seconds) if one.lag_events and one.lag_seconds else "[dim]–[/]"
        beside = [f"v{kept.version} {word(_STATE, kept.state)}" for kept in one.versions if kept.version != one.version]
        name = f"{one.name} [dim]{', '.join((f'v{one.version}', *beside))}[/]"
        shown.add_row(service, name, word(_KIND, one.kind), one.log, lag, age, _alarming(one.dead_letters))
    return shown


def _alarming(count: int | None) -> str:
    if count is None:
        return "–"
    return f"[yellow]{count:,}[/]" if count else "[dim]0[/]"
