"""How a group of commands is made: each command is a coroutine function that is handed a `Calling`."""

import asyncio
import inspect
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Annotated, Any, TypeVar

import grpc
import typer

from libs.cli.calling import Calling, Output, console
from libs.cli.errors import NotThere
from libs.cli.where import DATA, Data, address_of, running_stack, zone_of
from libs.rpc.client import channel, details_of

OutputOption = Annotated[
    Output, typer.Option("--output", "-o", help="A table for people, or JSON (a line each where there are several).")
]
Tenant = Annotated[str, typer.Option("--tenant", envvar="PORTRAIT_TENANT", help="On whose behalf.")]
Address = Annotated[
    str,
    typer.Option(
        "--address", envvar="PORTRAIT_ADDRESS", help="Where the service answers, host:port; default: the running stack."
    ),
]

Command = TypeVar("Command", bound=Callable[..., Coroutine[Any, Any, None]])

_SHARED = tuple(
    inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
    for name, default, annotation in (
        ("output", "table", OutputOption),
        ("tenant", "demo", Tenant),
        ("address", "", Address),
        ("data", DATA, Data),
    )
)


class Commands:
    """A group of commands, served by the service of that name."""

    def __init__(self, purpose: str, service: str = "profile") -> None:
        self.app = typer.Typer(help=purpose, no_args_is_help=True, rich_markup_mode="rich", add_completion=False)
        self._service = service

    def command(self, name: str, example: str) -> Callable[[Command], Command]:
        """Add a coroutine function `f(calling, …)`; it gains the options that all commands share."""

        def add(command: Command) -> Command:
            self.app.command(name, epilog=in_help(example))(with_calling(command, self._service))
            return command

        return add


def in_help(example: str) -> str:
    """An example as it stands at the end of a command's help."""
    return f"Example: [bold]{example}[/bold]"


def with_calling(command: Callable[..., Coroutine[Any, Any, None]], service: str) -> Callable[..., None]:
    """The plain function that typer reads: the command's own parameters but the first, and the shared options."""

    def run(*, output: Output, tenant: str, address: str, data: Path, **own: Any) -> None:
        asyncio.run(_called(command, service, output, tenant, address, data, own))

    own = list(inspect.signature(command).parameters.values())[1:]
    parameters = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in own] + list(_SHARED)
    run.__doc__ = _flowing(inspect.getdoc(command) or "")
    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # what inspect looks for
    run.__annotations__ = {one.name: one.annotation for one in parameters}
    return run


def _flowing(text: str) -> str:
    """Paragraphs without the line breaks that typer would keep."""
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.split("\n\n"))


async def _called(
    command: Callable[..., Coroutine[Any, Any, None]],
    service: str,
    output: Output,
    tenant: str,
    address: str,
    data: Path,
    own: dict[str, Any],
) -> None:
    stack = running_stack(data)
    target = address or address_of(service, stack)
    async with channel(target) as line:
        try:
            await command(Calling(line, target, tenant, zone_of(tenant, stack), data, output, console()), **own)
        except grpc.aio.AioRpcError as error:
            details = details_of(error)
            if details.code == "DEADLINE_EXCEEDED":
                told = f"{service} at {target} did not answer in time; `portrait status` shows what serves"
                raise NotThere(told) from error
            if details.code != "UNAVAILABLE" or details.reason:
                raise
            raise NotThere(f"nobody answers at {target}; `portrait up` starts all, --address names another") from error
