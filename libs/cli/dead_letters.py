"""`portrait dead-letter`: what a projection could not fold, and mending it."""

from typing import Annotated, Final
from uuid import uuid4

import typer
from portrait.ops.v1 import projections_service_pb2 as pb
from portrait.ops.v1.projections_service_pb2_grpc import ProjectionsStub
from rich.markup import escape
from rich.table import Table

from libs.cli.asking import sure
from libs.cli.calling import Calling
from libs.cli.commands import Commands
from libs.cli.errors import BadInput, NotThere
from libs.cli.paging import listed
from libs.cli.plain import word
from libs.cli.tables import table
from libs.cli.texts import many, moment

COMMANDS = Commands("Events that a projection could not fold; what it knows of their key stands still before them.")

SHORT: Final = 12
EVERYTHING: Final = 1 << 40

Projection = Annotated[str, typer.Argument(metavar="PROJECTION", help="The projection, such as portraits.")]
Key = Annotated[str, typer.Argument(metavar="KEY", help="The key, or its first digits.")]


@COMMANDS.command("list", "portrait dead-letter list --projection portraits")
async def list_(
    calling: Calling,
    *,
    projection: Annotated[str, typer.Option(help="Only those of this projection.")] = "",
    dropped: Annotated[bool, typer.Option("--dropped", help="Also those that were dropped.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="At most so many, newest first.")] = 50,
) -> None:
    """Events that could not be folded, and those that wait behind them; newest first."""
    stub = ProjectionsStub(calling.channel)
    request = pb.ListDeadLettersRequest(projection=projection, show_dropped=dropped)
    found, _ = await listed(calling, stub.ListDeadLetters, request, lambda page: page.dead_letters, limit)
    calling.show_each(found, lambda: _table(calling, found))


@COMMANDS.command("retry", "portrait dead-letter retry portraits 5f1c09")
async def retry(calling: Calling, projection: Projection, key: Key) -> None:
    """Fold the events of a key again, in order, once what failed is mended.

    The exit status is 1 if any stays.
    """
    letter = await _failed(calling, projection, key)
    request = pb.RetryDeadLetterRequest(projection=projection, key=letter.key, log=letter.log)
    answer = await calling.ask(ProjectionsStub(calling.channel).RetryDeadLetter, request)
    calling.show(answer, lambda: _outcome(answer))
    if answer.HasField("failed"):
        raise typer.Exit(1)


@COMMANDS.command("drop", 'portrait dead-letter drop portraits 5f1c09 --because "sent by a test"')
async def drop(
    calling: Calling,
    projection: Projection,
    key: Key,
    *,
    because: Annotated[str, typer.Option(help="Why, for the record.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Give up the event that a key stands before: it is skipped for ever, and the rest of the key goes on.

    Portraits skip what was retracted, so there the event is retracted from the log.
    """
    letter = await _failed(calling, projection, key)
    sure(f"Skip {letter.event.type} at {_place(letter)} for ever ({letter.cause}; tenant {calling.tenant})?", yes=yes)
    request = pb.DropDeadLetterRequest(
        projection=projection,
        key=letter.key,
        log=letter.log,
        position=letter.position,
        reason=because,
        request_id=uuid4().hex,
    )
    answer = await calling.ask(ProjectionsStub(calling.channel).DropDeadLetter, request)
    calling.show(answer, lambda: f"dropped {_place(answer.dropped)}; {_outcome(answer)}")


async def _failed(calling: Calling, projection: str, key: str) -> pb.DeadLetter:
    """The letter that a key stands before. Raises `NotThere` and, for what begins several keys, `BadInput`."""
    stub, request = ProjectionsStub(calling.channel), pb.ListDeadLettersRequest(projection=projection)
    found, _ = await listed(calling, stub.ListDeadLetters, request, lambda page: page.dead_letters, EVERYTHING)
    failed = [one for one in found if one.kind == pb.DEAD_LETTER_KIND_FAILED and one.key.hex().startswith(key.lower())]
    if not failed:
        raise NotThere(f"no key {key!r} has dead letters in {projection!r} (tenant {calling.tenant})")
    if len(failed) > 1:
        raise BadInput(key, f"begins {len(failed)} keys: give more digits")
    return failed[0]


def _table(calling: Calling, found: list[pb.DeadLetter]) -> Table | str:
    if not found:
        return "no dead letters"
    shown = table("projection", ">position", "=key", "event", "=kind", "=parked", "cause", title="Dead letters")
    for one in found:
        kind = word(pb.DeadLetterKind.DESCRIPTOR, one.kind)
        why = one.dropped_why or one.cause
        parked = moment(one.parked_at, calling.zone)
        shown.add_row(
            one.projection, _place(one), one.key.hex()[:SHORT], one.event.type, kind, parked[:19], escape(why)
        )
    return shown


def _place(letter: pb.DeadLetter) -> str:
    return f"{letter.position.partition}:{letter.position.position}"


def _outcome(answer: pb.RetryDeadLetterResponse | pb.DropDeadLetterResponse) -> str:
    folded = f"folded {many(answer.folded, 'letter')}"
    if not answer.HasField("failed"):
        return f"{folded}; the key flows again"
    behind = f", {many(answer.waiting, 'letter')} behind it" if answer.waiting else ""
    return f"{folded}; [yellow]still fails at {_place(answer.failed)}[/]{behind}: {escape(answer.failed.cause)}"
