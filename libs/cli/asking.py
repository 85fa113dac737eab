"""Asking before something is changed."""

import sys

import typer

from libs.cli.errors import BadInput


def sure(question: str, *, yes: bool) -> None:
    """Go on only if somebody agrees. Errors: Abort, or BadInput where nobody can be asked."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise BadInput("--yes", "is needed where nobody can be asked")
    typer.confirm(question, abort=True, err=True)
