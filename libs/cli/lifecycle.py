"""`portrait lifecycle`: the stages that people go through, and why somebody is in theirs; docs/guides/lifecycle.md."""

from typing import Annotated

import typer
from portrait.tagging.v1 import tags_service_pb2 as pb
from portrait.tagging.v1.tags_service_pb2_grpc import TagsStub

from libs.cli import stages
from libs.cli.calling import Calling
from libs.cli.commands import Commands
from libs.cli.definitions import (
    Because,
    DryRun,
    LookAt,
    Paths,
    Version,
    Yes,
    apply_files,
    retire_definition,
    show_definition,
)
from libs.cli.identity import reference

COMMANDS = Commands("The lifecycle: the stages that people go through, and why they are in theirs.", "tagging")

Person = Annotated[str, typer.Argument(help="A OneID, or any identifier as type:value, such as phone:13800138000.")]


@COMMANDS.command("apply", "portrait lifecycle apply lifecycle.yaml --yes")
async def apply(
    calling: Calling, paths: Paths, *, yes: Yes = False, dry_run: DryRun = False, look_at: LookAt = 500
) -> None:
    """Publish a lifecycle, or definitions of any other kind, from files: shows for whom they change what, and asks."""
    await apply_files(calling, paths, yes=yes, dry_run=dry_run, look_at=look_at)


@COMMANDS.command("show", "portrait lifecycle show > lifecycle.yaml")
async def show(
    calling: Calling,
    *,
    version: Version = 0,
) -> None:
    """The lifecycle, in the form that `apply` takes."""
    found = await calling.ask(TagsStub(calling.channel).GetLifecycle, pb.GetLifecycleRequest(version=version))
    show_definition(calling, found, stages.lifecycles(found.versions, calling.zone))


@COMMANDS.command("retire", 'portrait lifecycle retire --because "a new one is coming"')
async def retire(calling: Calling, *, because: Because = "", yes: Yes = False) -> None:
    """Let nobody be in a stage any more: shows how many leave theirs, and asks. What reads stages must go first."""
    stub = TagsStub(calling.channel)
    current = (await calling.ask(stub.GetLifecycle, pb.GetLifecycleRequest())).definition
    request = pb.RetireLifecycleRequest(etag=current.etag, reason=because)
    lost = "person leaves their stage", "people leave their stages"
    await retire_definition(calling, stub.RetireLifecycle, request, "the lifecycle", lost, yes=yes)


@COMMANDS.command("explain", "portrait lifecycle explain phone:13800138000")
async def explain(calling: Calling, person: Person) -> None:
    """How somebody came to their stage: every move with its day, and the events that it rests on."""
    request = pb.ExplainStageRequest(person=reference(person))
    told = await calling.look(TagsStub(calling.channel).ExplainStage, request)
    calling.show(told, lambda: stages.explained(told))
