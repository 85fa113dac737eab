"""`portrait tiers`: the ladder of value tiers, and what each may be given; docs/guides/define-a-segment.md."""

from typing import Final

from portrait.tagging.v1 import tags_service_pb2 as pb
from portrait.tagging.v1.tags_service_pb2_grpc import TagsStub

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
from libs.cli.versions import versions

COMMANDS = Commands("Value tiers: the ladder that people stand on, and what each tier may be given.", "tagging")

_MORE: Final = {"ladder": lambda one: ", ".join(tier.key for tier in one.tiers)}


@COMMANDS.command("apply", "portrait tiers apply tiers.yaml --yes")
async def apply(
    calling: Calling, paths: Paths, *, yes: Yes = False, dry_run: DryRun = False, look_at: LookAt = 500
) -> None:
    """Publish tiers, or definitions of any other kind, from files: shows for whom they change what, and asks."""
    await apply_files(calling, paths, yes=yes, dry_run=dry_run, look_at=look_at)


@COMMANDS.command("show", "portrait tiers show > tiers.yaml")
async def show(calling: Calling, *, version: Version = 0) -> None:
    """The tiers, in the form that `apply` takes."""
    found = await calling.ask(TagsStub(calling.channel).GetTiers, pb.GetTiersRequest(version=version))
    show_definition(calling, found, versions(found.versions, calling.zone, "tiers", _MORE))


@COMMANDS.command("retire", 'portrait tiers retire --because "a new ladder is coming"')
async def retire(calling: Calling, *, because: Because = "", yes: Yes = False) -> None:
    """Let nobody be in a tier any more: shows how many leave theirs, and asks. What reads tiers must go first."""
    stub = TagsStub(calling.channel)
    current = (await calling.ask(stub.GetTiers, pb.GetTiersRequest())).definition
    request = pb.RetireTiersRequest(etag=current.etag, reason=because)
    lost = "person leaves their tier", "people leave their tiers"
    await retire_definition(calling, stub.RetireTiers, request, "the ladder of tiers", lost, yes=yes)
