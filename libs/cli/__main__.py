"""The `portrait` command. A later service adds its group with one line."""

import os
import sys
from collections.abc import Sequence

import typer
from rich.markup import escape

from libs.cli import collect, log, profile, projections, quarantine, retract, schema, stack, status
from libs.cli.calling import console
from libs.cli.errors import INTERRUPTED, explained

TRACEBACK = "PORTRAIT_TRACEBACK"  # set, it shows where an error comes from


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and answer its exit status; whatever goes wrong is one line on stderr."""
    try:
        status: int | None = application()(arguments, prog_name="portrait", standalone_mode=False)
    except (KeyboardInterrupt, typer.Abort):
        sys.stderr.write("\nstopped\n")
        return INTERRUPTED
    except BrokenPipeError:  # `portrait log read … | head` has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else the flush at exit complains
        return 0
    except Exception as error:
        if os.environ.get(TRACEBACK):
            raise
        line, failed = explained(error)
        console(sys.stderr).print(f"[bold red]portrait:[/] {escape(line)}", soft_wrap=True)
        return failed
    return status or 0


def application() -> typer.Typer:
    """All commands."""
    app = typer.Typer(
        help="Portrait: collect what customers do, and know who they are.",
        no_args_is_help=True,
        rich_markup_mode="rich",
        add_completion=False,
    )
    for single in (stack, status, collect, retract):
        single.add(app)
    app.add_typer(profile.COMMANDS.app, name="profile")
    app.add_typer(schema.COMMANDS.app, name="schema")
    app.add_typer(quarantine.COMMANDS.app, name="quarantine")
    app.add_typer(log.COMMANDS.app, name="log")
    app.add_typer(projections.PROJECTIONS.app, name="projection")
    app.add_typer(projections.DEAD_LETTERS.app, name="dead-letter")
    return app


if __name__ == "__main__":
    sys.exit(main())
