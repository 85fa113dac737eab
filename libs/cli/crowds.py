"""`portrait segment count|members|overlap|export`: how many people meet a condition, who they are, what crowds share.

Each takes the key of a segment, a YAML file with a condition or a segment, or a condition itself: '{tag: vip}'.
"""

import asyncio
from datetime import UTC, tzinfo
from typing import Annotated, Final, Literal, TypeVar
from uuid import uuid4

import typer
from google.longrunning import operations_pb2_grpc
from google.longrunning import operations_proto_pb2 as operations
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from portrait.tagging.v1 import membership_pb2 as pb
from portrait.tagging.v1.segments_service_pb2_grpc import SegmentsStub
from rich.console import RenderableType
from rich.markup import escape
from rich.table import Table

from libs.cli.calling import Calling
from libs.cli.errors import BadInput
from libs.cli.paging import listed
from libs.cli.said import crowd_said
from libs.cli.segment import COMMANDS
from libs.cli.tables import table
from libs.cli.texts import NOTHING_THEN, moment, moment_said

__all__ = ["COMMANDS"]

FORMATS: Final = {"parquet": pb.EXPORT_FORMAT_PARQUET, "csv": pb.EXPORT_FORMAT_CSV}
WAIT_SECONDS: Final = 10
COMPARED: Final = range(2, 11)
"""So many crowds at once."""

Result = TypeVar("Result", bound=Message)

Crowd = Annotated[
    str,
    typer.Argument(
        help="Key of a segment, a YAML file with a condition or a segment, or a condition such as '{tag: vip}'."
    ),
]
Crowds = Annotated[list[str], typer.Argument(help="Two to ten of those.")]
Seed = Annotated[int, typer.Option(help="Draws other people.")]


@COMMANDS.command("count", "portrait segment count '{all: [{tag: vip}, {not: {segment: lapsed}}]}'")
async def count(
    calling: Calling,
    crowd: Crowd,
    *,
    seed: Seed = 0,
    exactly: Annotated[
        bool, typer.Option("--exactly", help="Where only an estimate is possible at once, wait for the exact size.")
    ] = False,
) -> None:
    """How many people meet a condition, at once: exactly, or of what is not at hand an estimate with its bounds."""
    request = pb.CountSegmentRequest(crowd=crowd_said(crowd), seed=seed, count_everybody=exactly)
    found = await calling.ask(SegmentsStub(calling.channel).CountSegment, request)
    for warning in found.warnings:
        typer.echo(f"warning: {warning}", err=True)
    if not found.operation:
        calling.show(found.size, lambda: sizes([crowd], [found.size], calling.zone))
        return
    if not calling.as_json:
        calling.console.print(sizes([crowd], [found.size], calling.zone))
    counted = await ended(calling, found.operation, pb.CrowdSize())
    calling.show(counted, lambda: sizes([crowd], [counted], calling.zone))


@COMMANDS.command("members", "portrait segment members regulars --sample 20")
async def members(
    calling: Calling,
    crowd: Crowd,
    *,
    limit: Annotated[int, typer.Option(min=1, help="So many at the most.")] = 100,
    sample: Annotated[int, typer.Option(min=0, max=1_000, help="So many drawn by chance instead.")] = 0,
    seed: Seed = 0,
) -> None:
    """Who meets a condition about tags, segments, stages and tiers: their OneIDs, one a line."""
    request = pb.ListMembersRequest(crowd=crowd_said(crowd), sample=sample, seed=seed)
    stub = SegmentsStub(calling.channel)
    found, page = await listed(calling, stub.ListMembers, request, lambda one: one.person_ids, sample or limit)
    if calling.as_json:
        for person in found:
            calling.line({"personId": person})
        return
    for person in found:
        typer.echo(person)
    typer.echo(f"{len(found):,} of {page.size.people:,}", err=True)


@COMMANDS.command("overlap", "portrait segment overlap regulars lapsed '{tag: vip}'")
async def overlap(calling: Calling, crowds: Crowds) -> None:
    """What crowds share, every two of them."""
    if len(crowds) not in COMPARED:
        raise BadInput("CROWDS", f"name two to ten to compare, not {len(crowds)}")
    request = pb.CompareSegmentsRequest(crowds=map(crowd_said, crowds))
    found = await calling.ask(SegmentsStub(calling.channel).CompareSegments, request)
    calling.show(found, lambda: overlaps(crowds, found))


@COMMANDS.command("export", "portrait segment export regulars --format csv")
async def export(
    calling: Calling,
    crowd: Crowd,
    *,
    format_: Annotated[Literal["parquet", "csv"], typer.Option("--format", help="What the file is.")] = "parquet",
    as_of: Annotated[str, typer.Option(help="As of a past day or moment.")] = "",
) -> None:
    """Write everybody who meets a condition to a file where the tagging service keeps exports."""
    request = pb.ExportSegmentRequest(crowd=crowd_said(crowd), format=FORMATS[format_], request_id=uuid4().hex)
    if as_of:
        request.as_of.CopyFrom(moment_said("--as-of", as_of, calling.zone))
    begun = await calling.ask(SegmentsStub(calling.channel).ExportSegment, request)
    found = await ended(calling, begun.operation, pb.SegmentExport())
    calling.show(found, lambda: f"{found.path}: {found.people:,} people, {found.bytes:,} bytes")
    if as_of and not found.people:
        typer.echo(NOTHING_THEN, err=True)


async def ended(calling: Calling, name: str, result: Result) -> Result:
    """What came of an operation; whoever stops waiting for it cancels it. Raises `BadInput` if it failed."""
    stub = operations_pb2_grpc.OperationsStub(calling.channel)
    request = operations.WaitOperationRequest(name=name, timeout=Duration(seconds=WAIT_SECONDS))
    try:
        while not (found := await calling.ask(stub.WaitOperation, request)).done:
            progress = pb.OperationProgress()
            found.metadata.Unpack(progress)
            typer.echo(f"{progress.looked_at:,} looked at …", err=True)
    except asyncio.CancelledError:
        await calling.ask(stub.CancelOperation, operations.CancelOperationRequest(name=name))
        raise
    if not found.response.Unpack(result):
        raise BadInput(name, found.error.message)
    return result


def sizes(crowds: list[str], found: list[pb.CrowdSize], zone: tzinfo = UTC) -> Table:
    """How many people crowds are."""
    shown = table("who", ">people", ">of everyone", "how sure")
    for crowd, one in zip(crowds, found, strict=True):
        share = f"{one.people / one.population:.1%}" if one.population else ""
        sure = f"exact, as of {moment(one.as_of, zone)}" if one.HasField("as_of") else "exact"
        if one.exactness == pb.EXACTNESS_ESTIMATED:
            sure = f"{one.low:,} to {one.high:,}, from {one.looked_at:,} people drawn"
        shown.add_row(escape(crowd), f"{one.people:,}", share, sure)
    return shown


def overlaps(crowds: list[str], found: pb.CompareSegmentsResponse) -> RenderableType:
    """What crowds share, two in a line."""
    shown = table("one", "other", ">people", ">in both", ">of either", ">lift")
    for pair in found.overlaps:
        first, second = found.sizes[pair.first], found.sizes[pair.second]
        jaccard = f"{pair.jaccard:.1%}" if pair.HasField("jaccard") else ""
        lift = f"{pair.lift:.2f}" if pair.HasField("lift") else ""
        people = f"{first.people:,} · {second.people:,}"
        one, other = escape(crowds[pair.first]), escape(crowds[pair.second])
        shown.add_row(one, other, people, f"{pair.both:,}", jaccard, lift)
    return shown
