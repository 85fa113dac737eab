"""`portrait segment`: segments, who is in which and why, and lists of members; docs/guides/define-a-segment.md."""

from collections.abc import Iterator
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Annotated, Final

import typer
from portrait.tagging.v1 import segments_service_pb2 as pb
from portrait.tagging.v1.segments_service_pb2_grpc import SegmentsStub

from libs.cli import group_portrait, memberships
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
from libs.cli.errors import BadInput
from libs.cli.identity import reference
from libs.cli.paging import listed
from libs.cli.said import position_said

COMMANDS = Commands("Segments: who belongs together, live, and lists of people.", "tagging")

EVERYTHING: Final = 1 << 40
EVERYONE: Final = "everyone"
"""Which is built in."""
ROWS: Final = 1_000
"""People of a list in one call."""

Person = Annotated[str, typer.Argument(help="A OneID, or any identifier as type:value, such as phone:13800138000.")]
Segment = Annotated[str, typer.Argument(help="Key of a segment, such as regulars.")]


@COMMANDS.command("apply", "portrait segment apply segments/ --yes")
async def apply(
    calling: Calling, paths: Paths, *, yes: Yes = False, dry_run: DryRun = False, look_at: LookAt = 500
) -> None:
    """Publish definitions from files, of segments or of any other kind: shows for whom they change what, and asks."""
    await apply_files(calling, paths, yes=yes, dry_run=dry_run, look_at=look_at)


@COMMANDS.command("list", "portrait segment list")
async def list_(
    calling: Calling,
    *,
    retired: Annotated[bool, typer.Option("--retired", help="Those that were retired, too.")] = False,
) -> None:
    """All segments."""
    stub, request = SegmentsStub(calling.channel), pb.ListSegmentsRequest(retired=retired)
    found, _ = await listed(calling, stub.ListSegments, request, lambda page: page.definitions, EVERYTHING)
    calling.show_each(found, lambda: memberships.segments(found, calling.zone))


@COMMANDS.command("show", "portrait segment show regulars > segment.yaml")
async def show(
    calling: Calling,
    segment: Segment,
    *,
    version: Version = 0,
) -> None:
    """A segment, in the form that `apply` takes."""
    request = pb.GetSegmentRequest(segment=segment, version=version)
    found = await calling.ask(SegmentsStub(calling.channel).GetSegment, request)
    show_definition(calling, found, memberships.segments(found.versions, calling.zone))


@COMMANDS.command("explain", "portrait segment explain phone:13800138000 regulars")
async def explain(calling: Calling, person: Person, segment: Segment) -> None:
    """Why somebody is a member or is not: every part of the condition, in events, and what would change it."""
    request = pb.ExplainMembershipRequest(person=reference(person), segment=segment)
    told = await calling.look(SegmentsStub(calling.channel).ExplainMembership, request)
    calling.show(told, lambda: memberships.explained(told, calling.zone))


@COMMANDS.command("upload", "portrait segment upload guests guests.txt")
async def upload(
    calling: Calling,
    segment: Segment,
    file: Annotated[
        Path, typer.Argument(help="One person a line: a OneID or type:value.", exists=True, dir_okay=False)
    ],
    *,
    remove: Annotated[bool, typer.Option("--remove", help="Take these people out of the list.")] = False,
    import_id: Annotated[str, typer.Option(help="Name of the import; else the file's content names it.")] = "",
) -> None:
    """Put people into a list, or take them out; the same file again changes nothing.

    The exit status is 1 if a line was refused.
    """
    people = list(_people(file))
    digest = blake2b(repr((remove, [said for _, said in people])).encode(), digest_size=8).hexdigest()
    named = import_id or f"{file.name[:64]}-{digest}"
    whole, meant = pb.UploadListResponse(), []
    for number, said in people:
        try:
            meant.append(pb.ListedPerson(row=number, person=reference(said), removed=remove))
        except BadInput as error:
            whole.refused.add(row=number, reason=str(error))
    for begin in range(0, len(meant), ROWS):
        request = pb.UploadListRequest(import_id=named, segment=segment, rows=meant[begin : begin + ROWS])
        answer = await calling.ask(SegmentsStub(calling.channel).UploadList, request)
        whole.recorded += answer.recorded
        whole.duplicates += answer.duplicates
        whole.refused.extend(answer.refused)
    whole.refused.sort(key=lambda one: one.row)
    calling.show(whole, partial(memberships.uploaded, whole, segment))
    if whole.refused:
        raise typer.Exit(1)


@COMMANDS.command("retire", 'portrait segment retire regulars --because "nobody uses it"')
async def retire(
    calling: Calling,
    segment: Segment,
    *,
    because: Because = "",
    yes: Yes = False,
) -> None:
    """Let nobody be in a segment any more: shows how many leave it, and asks."""
    stub = SegmentsStub(calling.channel)
    current = (await calling.ask(stub.GetSegment, pb.GetSegmentRequest(segment=segment))).definition
    request = pb.RetireSegmentRequest(segment=segment, etag=current.etag, reason=because)
    lost = "person leaves it", "people leave it"
    await retire_definition(calling, stub.RetireSegment, request, segment, lost, yes=yes)


@COMMANDS.command("watch", "portrait segment watch --segment regulars -o json")
async def watch(
    calling: Calling,
    *,
    segment: Annotated[list[str] | None, typer.Option(help="Only this segment; may be repeated.")] = None,
    behind: Annotated[
        list[str] | None, typer.Option(help="Continue behind this position of the tags log; may be repeated.")
    ] = None,
) -> None:
    """Whoever enters or leaves a segment as it happens, until Ctrl-C."""
    positions = [position_said("--behind", one) for one in behind or []]
    for one in segment or ():  # whoever waits for what there is not would wait for ever
        if one != EVERYONE:
            await calling.ask(SegmentsStub(calling.channel).GetSegment, pb.GetSegmentRequest(segment=one))
    request = pb.WatchSegmentRequest(segments=segment or [], behind=positions)
    async for answer in calling.stream(SegmentsStub(calling.channel).WatchSegment, request):
        if calling.as_json:
            calling.line(answer)
        elif answer.WhichOneof("change"):
            calling.console.print(memberships.change(answer, calling.zone), soft_wrap=True)


COMMANDS.command("portrait", "portrait segment portrait at_risk --by city --by stage --html at_risk.html")(
    group_portrait.portrait
)


def _people(file: Path) -> Iterator[tuple[int, str]]:
    """What stands in the lines of a file, with their numbers. Raises `BadInput`."""
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise BadInput(str(file), "is not UTF-8") from None
    for number, line in enumerate(lines, start=1):
        said = line.strip()
        if said and not said.startswith("#"):
            yield number, said
