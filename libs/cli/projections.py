"""`portrait projection`."""

from portrait.ops.v1 import projections_service_pb2 as pb
from portrait.ops.v1.projections_service_pb2_grpc import ProjectionsStub

from libs.cli.calling import Calling
from libs.cli.commands import Commands
from libs.cli.status import projections_table

PROJECTIONS = Commands("What is computed from the logs, and how far it is.")


@PROJECTIONS.command("list", "portrait projection list")
async def list_projections(calling: Calling) -> None:
    """Every projection of the service with its lag."""
    answer = await calling.ask(ProjectionsStub(calling.channel).ListProjections, pb.ListProjectionsRequest())
    rows = [(calling.address, one) for one in answer.projections]
    calling.show_each(answer.projections, lambda: projections_table(rows))
