"""`portrait projection` and `portrait dead-letter`."""

from typing import Annotated

import typer
from portrait.ops.v1 import projections_service_pb2 as pb
from portrait.ops.v1.projections_service_pb2_grpc import ProjectionsStub
from rich.table import Table

from libs.cli.calling import Calling
from libs.cli.commands import Commands
from libs.cli.paging import listed
from libs.cli.status import projections_table
from libs.cli.tables import table
from libs.cli.texts import moment

PROJECTIONS = Commands("What is computed from the logs, and how far it is.")
DEAD_LETTERS = Commands("Events that a projection could not take; their person's portrait stands still before them.")


@PROJECTIONS.command("list", "portrait projection list")
async def list_projections(calling: Calling) -> None:
    """Every projection of the service with its lag."""
    answer = await calling.ask(ProjectionsStub(calling.channel).ListProjections, pb.ListProjectionsRequest())
    rows = [(calling.address, one) for one in answer.projections]
    calling.show_each(answer.projections, lambda: projections_table(rows))


@DEAD_LETTERS.command("list", "portrait dead-letter list --projection portraits")
async def list_dead_letters(
    calling: Calling,
    projection: Annotated[str, typer.Option(help="Only those of this projection.")] = "",
    limit: Annotated[int, typer.Option(min=1, help="At most so many, newest first.")] = 50,
) -> None:
    """Events that could not be folded, newest first."""
    stub, request = ProjectionsStub(calling.channel), pb.ListDeadLettersRequest(projection=projection)
    found, _ = await listed(calling, stub.ListDeadLetters, request, lambda page: page.dead_letters, limit)
    calling.show_each(found, lambda: _table(calling, found))


def _table(calling: Calling, found: list[pb.DeadLetter]) -> Table | str:
    if not found:
        return "no dead letters"
    shown = table("projection", ">position", "key", "event", "=parked", "cause", title="Dead letters")
    for one in found:
        position = f"{one.position.partition}:{one.position.position}"
        shown.add_row(
            one.projection, position, one.key.hex()[:12], one.event.type, moment(one.parked_at, calling.zone), one.cause
        )
    return shown
