"""`portrait quarantine`: what could not be recorded, and mending it."""

import json
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from portrait.profile.v1 import collector_service_pb2 as collector_pb
from portrait.profile.v1 import quarantine_service_pb2 as pb
from portrait.profile.v1.quarantine_service_pb2_grpc import QuarantineStub
from rich.console import Group, RenderableType
from rich.json import JSON
from rich.markup import escape
from rich.panel import Panel

from libs.cli.asking import sure
from libs.cli.calling import Calling
from libs.cli.commands import Commands
from libs.cli.errors import BadInput, NotThere
from libs.cli.paging import LARGEST_PAGE, listed
from libs.cli.plain import document, plain
from libs.cli.tables import table
from libs.cli.texts import many, moment, shortened

COMMANDS = Commands("Interactions that could not be recorded: nothing is lost.")

ID_LENGTH: Final = 32
SHORT: Final = 12
EVERYTHING: Final = 1 << 40

Ids = Annotated[list[str] | None, typer.Argument(help="Ids, or their first digits.")]
Reason = Annotated[str, typer.Option(help="Those with this reason, such as WRONG_TYPE.")]


@COMMANDS.command("list", "portrait quarantine list --reason INVALID_TIME")
async def list_(
    calling: Calling,
    *,
    reason: Reason = "",
    limit: Annotated[int, typer.Option(min=1, help="At most so many, newest first.")] = 20,
) -> None:
    """What waits, newest first."""
    stub, request = QuarantineStub(calling.channel), pb.ListQuarantinedRequest(reason=reason)
    found, last = await listed(calling, stub.ListQuarantined, request, lambda page: page.interactions, limit)
    calling.show_each(found, lambda: _table(calling, found, last.total))


@COMMANDS.command("show", "portrait quarantine show 5f1c09")
async def show(
    calling: Calling, id_: Annotated[str, typer.Argument(metavar="ID", help="Its id, or the first digits.")]
) -> None:
    """One of them, with its document."""
    (one,) = await _find(calling, [id_])
    calling.show(one, lambda: _card(calling, one))


@COMMANDS.command("reprocess", "portrait quarantine reprocess 5f1c09 --set properties.price=12")
async def reprocess(
    calling: Calling,
    ids: Ids = None,
    *,
    reason: Reason = "",
    document: Annotated[Path | None, typer.Option(help="The mended document of the one id.", exists=True)] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="Mend a field: path=value, the value JSON or text; may be repeated."),
    ] = None,
) -> None:
    """Try again: mended, or as they are (after a schema changed). What is still bad stays.

    The exit status is 1 if anything stays.
    """
    waiting = await _chosen(calling, ids, reason)
    if document and (set_ or len(waiting) != 1):
        raise BadInput("--document", "is the whole of one interaction: name one id, and no --set")
    changes = [_change(said) for said in set_ or []]
    items = [
        pb.ReprocessItem(quarantine_id=one.quarantine_id, document=_mended(one, document, changes)) for one in waiting
    ]
    stub = QuarantineStub(calling.channel)
    results: list[collector_pb.CollectResult] = []
    for start in range(0, len(items), LARGEST_PAGE):
        request = pb.ReprocessRequest(items=items[start : start + LARGEST_PAGE])
        results += (await calling.ask(stub.Reprocess, request)).results
    rows = [{"quarantine_id": item.quarantine_id, **plain(result)} for item, result in zip(items, results, strict=True)]
    calling.show_each(rows, lambda: _outcomes(items, results))
    if any(result.outcome == collector_pb.OUTCOME_QUARANTINED for result in results):
        raise typer.Exit(1)


@COMMANDS.command("discard", 'portrait quarantine discard --reason MALFORMED_JSON --because "a test file"')
async def discard(
    calling: Calling,
    ids: Ids = None,
    *,
    because: Annotated[str, typer.Option(help="Why, for the record.")],
    reason: Reason = "",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Give them up; they are kept on record, with why."""
    waiting = [one.quarantine_id for one in await _chosen(calling, ids, reason)]
    sure(f"Give up {many(len(waiting), 'interaction')} (tenant {calling.tenant})?", yes=yes)
    stub, discarded = QuarantineStub(calling.channel), 0
    for start in range(0, len(waiting), LARGEST_PAGE):
        request = pb.DiscardRequest(quarantine_ids=waiting[start : start + LARGEST_PAGE], reason=because)
        discarded += (await calling.ask(stub.Discard, request)).discarded
    calling.show({"discarded": discarded}, lambda: f"gave up {many(discarded, 'interaction')}")


async def _chosen(calling: Calling, ids: list[str] | None, reason: str) -> list[pb.QuarantinedInteraction]:
    if bool(ids) == bool(reason):
        raise BadInput("IDS", "name ids, or a --reason for all that have it")
    if ids:
        return await _find(calling, ids)
    found = await _all(calling, reason)
    if not found:
        raise NotThere(f"nothing waits in quarantine with reason {reason} (tenant {calling.tenant})")
    return found


async def _all(calling: Calling, reason: str = "") -> list[pb.QuarantinedInteraction]:
    stub, request = QuarantineStub(calling.channel), pb.ListQuarantinedRequest(reason=reason)
    found, _ = await listed(calling, stub.ListQuarantined, request, lambda page: page.interactions, EVERYTHING)
    return found


async def _find(calling: Calling, ids: list[str]) -> list[pb.QuarantinedInteraction]:
    """Those with these ids, or ids that begin so. Raises `NotThere` and, for what begins several ids, `BadInput`."""
    waiting = await _all(calling)
    found = []
    for id_ in ids:
        matching = [one for one in waiting if one.quarantine_id.startswith(id_.lower())]
        if not matching:
            raise NotThere(f"nothing waits in quarantine under {id_!r} (tenant {calling.tenant})")
        if len(matching) > 1:
            raise BadInput(id_, f"begins {len(matching)} ids: give more digits")
        found += matching
    return found


def _change(said: str) -> tuple[list[str], Any]:
    path, equals, value = said.partition("=")
    if not (path and equals):
        raise BadInput("--set", f"{said!r} is not path=value, such as properties.price=12")
    return path.split("."), document(value.encode())


def _mended(one: pb.QuarantinedInteraction, file: Path | None, changes: list[tuple[list[str], Any]]) -> bytes:
    """The document to try; empty for the one that waits, as it is."""
    if file:
        return file.read_bytes()
    if not changes:
        return b""
    short = one.quarantine_id[:SHORT]
    if one.truncated:
        raise BadInput(short, "is too large to be mended by --set: give the whole with --document")
    whole = document(one.document)
    if not isinstance(whole, dict):
        raise BadInput(short, "is no JSON object, so --set can't mend it: give the whole with --document")
    for path, value in changes:
        inside = whole
        for step in path[:-1]:
            if not isinstance(inside.setdefault(step, {}), dict):
                raise BadInput("--set", f"{'.'.join(path)} leads into {step}, which is no object in {short}")
            inside = inside[step]
        inside[path[-1]] = value
    return json.dumps(whole, ensure_ascii=False).encode()


def _table(calling: Calling, found: list[pb.QuarantinedInteraction], total: int) -> RenderableType:
    if not found:
        return "nothing is in quarantine"
    shown = table("=id", "=arrived", "=reason", "what is wrong")
    for one in found:
        reason = f"[yellow]{one.rejection.reason}[/]"
        shown.add_row(one.quarantine_id[:SHORT], moment(one.arrived_at, calling.zone)[:19], reason, _why(one.rejection))
    more = [f"[dim]{len(found):,} of {total:,}: --limit, --reason[/]"] if total > len(found) else []
    return Group(shown, *more)


def _card(calling: Calling, one: pb.QuarantinedInteraction) -> RenderableType:
    why = one.rejection
    place = f"{escape(why.field)}: " if why.field else ""
    facts = [
        f"[yellow]{why.reason}[/]  {place}{escape(why.message)}",
        f"arrived {moment(one.arrived_at, calling.zone)}",
    ]
    if one.import_id:
        facts.append(f"import {escape(one.import_id)}")
    if one.attempts:
        facts.append(f"tried again {many(one.attempts, 'time')}")
    said = document(one.document)
    shown = escape(shortened(said, 4_000)) if isinstance(said, str) else JSON.from_data(said, ensure_ascii=False)
    return Panel(Group(*facts, "", shown), title=one.quarantine_id, title_align="left", border_style="yellow")


def _why(rejection: collector_pb.Rejection) -> str:
    return escape(f"{rejection.field}: {rejection.message}" if rejection.field else rejection.message)


def _outcomes(items: list[pb.ReprocessItem], results: list[collector_pb.CollectResult]) -> RenderableType:
    shown = table("id", "outcome", "")
    for item, result in zip(items, results, strict=True):
        short, position = item.quarantine_id[:SHORT], f"{result.position.partition}:{result.position.position}"
        match result.outcome:
            case collector_pb.OUTCOME_RECORDED:
                shown.add_row(short, "[green]recorded[/]", f"position {position}")
            case collector_pb.OUTCOME_DUPLICATE:
                shown.add_row(short, "duplicate", f"of position {position}")
            case _:
                why = result.rejection
                shown.add_row(short, f"[yellow]still bad: {why.reason}[/]", _why(why))
    return shown
