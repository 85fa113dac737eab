"""`portrait retract`."""

from typing import Annotated

import typer
from portrait.profile.v1 import collector_service_pb2 as pb
from portrait.profile.v1.collector_service_pb2_grpc import CollectorStub

from libs.cli.asking import sure
from libs.cli.calling import Calling
from libs.cli.commands import in_help, with_calling
from libs.cli.errors import BadInput
from libs.cli.progress import watching
from libs.cli.texts import many


def add(app: typer.Typer) -> None:
    """Add the command."""
    app.command("retract", epilog=in_help("portrait retract --import-id orders-3fa9c1d2"))(
        with_calling(retract, "profile")
    )


async def retract(
    calling: Calling,
    *,
    message_id: Annotated[str, typer.Option(help="Take back one interaction.")] = "",
    import_id: Annotated[str, typer.Option(help="Take back everything that an import brought.")] = "",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Take back what was collected, as if it had never been sent; its ids may be sent again."""
    if bool(message_id) == bool(import_id):
        raise BadInput("retract", "say either --message-id or --import-id")
    what = f"message {message_id}" if message_id else f"everything that import {import_id} brought"
    sure(f"Take back {what} (tenant {calling.tenant})?", yes=yes)
    retracted = await (_import(calling, import_id) if import_id else _message(calling, message_id))
    calling.show({"retracted": retracted}, lambda: f"took back {many(retracted, 'interaction')}")


async def _message(calling: Calling, message_id: str) -> int:
    collector = CollectorStub(calling.channel)
    return (await calling.ask(collector.Retract, pb.RetractRequest(message_id=message_id))).retracted


async def _import(calling: Calling, import_id: str) -> int:
    """The service takes back so many at a time; interrupted, the same command goes on."""
    collector, request = CollectorStub(calling.channel), pb.RetractRequest(import_id=import_id)
    answer = await calling.ask(collector.Retract, request)
    retracted = answer.retracted
    with watching(import_id, retracted + answer.remaining) as watcher:
        watcher.advance(answer.retracted, retracted)
        while answer.remaining:
            answer = await calling.ask(collector.Retract, request)
            retracted += answer.retracted
            watcher.advance(answer.retracted, retracted)
    return retracted
