"""`portrait up` and `portrait down`."""

import json
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console
from rich.table import Table

from libs.cli.calling import console
from libs.cli.commands import OutputOption, in_help
from libs.cli.where import DATA, Data
from libs.devstack.folder import StackState
from libs.devstack.supervisor import Condition

LOOKS = {"serving": "[green]●[/]", "starting": "[yellow]○[/]", "restarting": "[yellow]↻[/]", "stopped": "[dim]○[/]"}
QUIET_PARTS = ("starting", "stopped")  # what passes by itself while a stack comes up


def add(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("up", epilog=in_help("portrait up --data .data --ports free"))(up)
    app.command("down", epilog=in_help("portrait down"))(down)


def up(
    *,
    data: Data = DATA,
    ports: Annotated[Literal["default", "free"], typer.Option(help="The published ports, or free ones.")] = "default",
    tenants: Annotated[
        Path | None, typer.Option(help="Tenants document; default: the one that Portrait ships.", exists=True)
    ] = None,
    replicas: Annotated[int, typer.Option(help="Processes of each service, on one database.", min=1)] = 1,
    foreground: Annotated[bool, typer.Option("--foreground", help="Stay, and stop everything at Ctrl-C.")] = False,
    output: OutputOption = "table",
) -> None:
    """Start PostgreSQL, NATS and every service, and keep them running."""
    from libs.devstack import commands  # noqa: PLC0415  takes as long as all the rest

    shown = console()

    def report(condition: Condition) -> None:
        if output == "json":
            if foreground:
                typer.echo(json.dumps({"name": condition.name, "state": condition.state, "detail": condition.detail}))
        elif foreground or condition.state not in QUIET_PARTS:
            detail = f"  [dim]{condition.detail}[/]" if condition.detail else ""
            shown.print(f"{LOOKS[condition.state]} {condition.name:<10} {condition.state}{detail}")

    state = commands.up(
        data, replicas=replicas, ports=ports, tenants_file=tenants, detach=not foreground, report=report
    )
    if state is None:
        return
    if output == "json":
        typer.echo(json.dumps(described(state)))
    else:
        _tell_what_next(shown, state, data)


def down(*, data: Data = DATA, output: OutputOption = "table") -> None:
    """Stop what `up` started, and wait until it is gone. The data stay."""
    from libs.devstack import commands  # noqa: PLC0415  takes as long as all the rest

    stopped = commands.down(data)
    if output == "json":
        typer.echo(json.dumps({"stopped": stopped}))
    else:
        typer.echo(f"stopped; the data stay in {data}" if stopped else f"nothing runs on {data}")


def described(state: StackState) -> dict[str, Any]:
    """What runs, as JSON data."""
    return {
        "pid": state.pid,
        "ready": state.ready,
        "parts": [
            {"name": part.name, "state": part.state, "pid": part.pid, "address": part.address, "log": part.log}
            for part in state.parts
        ],
    }


def _tell_what_next(shown: Console, state: StackState, data: Path) -> None:
    grid = Table.grid(padding=(0, 2))
    for part in state.parts:
        grid.add_row("", part.name, f"[cyan]{part.address}[/]")
    shown.print(grid)
    elsewhere = "" if data == DATA else f" --data {data}"
    shown.print(
        f"\nEverything runs. See [bold]portrait status{elsewhere}[/]; stop it with [bold]portrait down{elsewhere}[/]."
    )
