"""All commands, put together. A later service adds its group with one line."""

import typer

from libs.cli import (
    collect,
    crowds,
    dead_letters,
    identity,
    lifecycle,
    log,
    profile,
    projections,
    quarantine,
    retract,
    schema,
    stack,
    status,
    tag,
    tiers,
)


def application() -> typer.Typer:
    """The `portrait` command."""
    app = typer.Typer(
        help="Portrait: collect what customers do, and know who they are.",
        no_args_is_help=True,
        rich_markup_mode="rich",
        add_completion=False,
    )
    for single in (stack, status, collect, retract):
        single.add(app)
    app.add_typer(profile.COMMANDS.app, name="profile")
    app.add_typer(identity.COMMANDS.app, name="identity")
    app.add_typer(tag.COMMANDS.app, name="tag")
    app.add_typer(lifecycle.COMMANDS.app, name="lifecycle")
    app.add_typer(tiers.COMMANDS.app, name="tiers")
    app.add_typer(crowds.COMMANDS.app, name="segment")  # which has those of libs/cli/segment.py, too
    app.add_typer(schema.COMMANDS.app, name="schema")
    app.add_typer(quarantine.COMMANDS.app, name="quarantine")
    app.add_typer(log.COMMANDS.app, name="log")
    app.add_typer(projections.COMMANDS.app, name="projection")
    app.add_typer(dead_letters.COMMANDS.app, name="dead-letter")
    return app
