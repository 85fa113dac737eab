"""`portrait identity suggest`, `suggestions`, `accept` and `reject`: people who may be one, and somebody's decision."""

import asyncio
import contextlib
import json
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Final, Literal

import typer
from portrait.identity.v1 import identities_service_pb2 as pb
from portrait.identity.v1 import person_pb2
from portrait.identity.v1.identities_service_pb2_grpc import IdentitiesStub
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table

from libs.cli import who
from libs.cli.calling import Calling
from libs.cli.commands import Commands
from libs.cli.errors import BadInput, CommandFailed, NotThere
from libs.cli.paging import listed
from libs.cli.texts import many
from libs.cli.where import answers_here, running_stack

COMMANDS = Commands("People who may be one, for somebody to decide.", "identity")

DATABASE: Final = "PORTRAIT_IDENTITY_DATABASE_URL"
EVERYTHING: Final = 1 << 40
MOST_ARGUMENTS: Final = 6
MOST_IDENTIFIERS: Final = 4
INDENT: Final = 7  # columns: as wide as a score

_STATES: Final[Mapping[str, "pb.SuggestionState.ValueType"]] = {
    "open": pb.SUGGESTION_STATE_OPEN,
    "accepted": pb.SUGGESTION_STATE_ACCEPTED,
    "rejected": pb.SUGGESTION_STATE_REJECTED,
    "settled": pb.SUGGESTION_STATE_SETTLED,
}
_WHOLE_ID: Final = re.compile(r"[0-9a-f]{32}").fullmatch

Suggestion = Annotated[str, typer.Argument(metavar="SUGGESTION", help="Its id, or the first digits of it.")]
Because = Annotated[str, typer.Option(help="Why, for the record.")]


@COMMANDS.command("suggest", "portrait identity suggest")
async def suggest(
    calling: Calling,
    *,
    plain: Annotated[
        bool, typer.Option("--plain", help="Compare only what is spelled alike, which needs no extra.")
    ] = False,
) -> None:
    r"""Compare a tenant's people anew, and keep who may be one; merges nobody.

    It works here, with the settings of the identity service: those of the running stack, else PORTRAIT_IDENTITY_… of
    the environment. It needs the extra: pip install 'portrait\[linking]'.
    """
    with calling.console.status("comparing people"):
        told = await _batch(calling, [*(["--plain"] if plain else []), calling.tenant])
    calling.show(told, lambda: _outcome(told))


@COMMANDS.command("suggestions", "portrait identity suggestions --min-score 0.9")
async def suggestions(
    calling: Calling,
    *,
    state: Annotated[
        Literal["open", "accepted", "rejected", "settled"],
        typer.Option(help="Those that wait, or what became of others; settled: decided by other means."),
    ] = "open",
    min_score: Annotated[float, typer.Option(min=0, max=1, help="Only those with at least this score.")] = 0.0,
    limit: Annotated[int, typer.Option(min=1, help="At most so many, the likeliest first.")] = 20,
) -> None:
    """Who may be one, with a score from 0 to 1, and what speaks for and against it in bits."""
    stub = IdentitiesStub(calling.channel)
    request = pb.ListSuggestionsRequest(state=_STATES[state], min_score=min_score)
    found, _ = await listed(calling, stub.ListSuggestions, request, lambda page: page.suggestions, limit)
    calling.show_each(found, lambda: shown(found) if found else f"no {state} suggestions")


@COMMANDS.command("accept", 'portrait identity accept 5f1c09ab12cd --because "the same passport"')
async def accept(calling: Calling, suggestion: Suggestion, *, because: Because = "") -> None:
    """Link the two of a suggestion; `unlink` takes it back. Limits and forbidden pairs hold all the same."""
    request = pb.AcceptSuggestionRequest(suggestion_id=await _meant(calling, suggestion), reason=because)
    decided = (await calling.ask(IdentitiesStub(calling.channel).AcceptSuggestion, request)).decided
    calling.show(decided, lambda: who.decided(decided, calling.zone, dry=False))


@COMMANDS.command("reject", 'portrait identity reject 5f1c09ab12cd --because "father and son"')
async def reject(calling: Calling, suggestion: Suggestion, *, because: Because = "") -> None:
    """Decide that the two of a suggestion are never one person; `allow` takes it back. It is not suggested again."""
    request = pb.RejectSuggestionRequest(suggestion_id=await _meant(calling, suggestion), reason=because)
    decided = (await calling.ask(IdentitiesStub(calling.channel).RejectSuggestion, request)).decided
    calling.show(decided, lambda: who.decided(decided, calling.zone, dry=False))


def shown(several: Sequence[pb.Suggestion]) -> RenderableType:
    """Suggestions one below the other: score and id, the two people, and the reasons in bits."""
    return Group(*(part for one in several for part in _parts(one)))


def _parts(one: pb.Suggestion) -> Iterator[RenderableType]:
    yield f"[bold]{one.score:.3f}[/]  {one.suggestion_id[: who.SHORT_ID]}"
    two = Table.grid(padding=(0, 2), expand=True)
    for _ in range(2):
        two.add_column(ratio=1, overflow="fold")
    two.add_row(_called(one.one), _called(one.other))
    yield Padding(two, (0, 0, 0, INDENT))
    reasons = Table.grid(padding=(0, 2))
    reasons.add_column(justify="right", no_wrap=True)
    for argument in one.arguments[:MOST_ARGUMENTS]:
        reasons.add_row(f"{argument.weight:+.1f}", argument.subject, escape(argument.finding))
    yield Padding(reasons, (0, 0, 0, INDENT))
    for warning in one.warnings:
        yield Padding(f"[yellow]● {escape(warning)}[/]", (0, 0, 0, INDENT))
    yield ""


def _called(person: person_pb2.Person) -> str:
    """A person in a cell: the strongest identifiers."""
    told = [escape(who.named(one)) for one in person.identifiers[:MOST_IDENTIFIERS]]
    if rest := len(person.identifiers) - len(told):
        told.append(f"[dim]and {rest} more[/]")
    return "\n".join(told) or f"[dim]{person.person_id[: who.SHORT_ID]}…[/]"


def _outcome(told: Mapping[str, Any]) -> str:
    if not told["suggestions"]:
        return "[green]●[/] nobody seems to be there twice"
    return (
        f"[green]●[/] {many(told['suggestions'], 'suggestion')}, of which {told['acceptable']:,} may be accepted at a "
        f"glance and {told['warned']:,} have a warning\n[dim]portrait identity suggestions shows them[/]"
    )


async def _meant(calling: Calling, said: str) -> str:
    """The whole id of a suggestion. Raises `NotThere`, and `BadInput` for what begins several ids."""
    if _WHOLE_ID(said):
        return said
    stub, request = IdentitiesStub(calling.channel), pb.ListSuggestionsRequest()
    found, _ = await listed(calling, stub.ListSuggestions, request, lambda page: page.suggestions, EVERYTHING)
    meant = [one.suggestion_id for one in found if one.suggestion_id.startswith(said.lower())]
    if not meant:
        raise NotThere(f"no open suggestion begins with {said!r} (tenant {calling.tenant})")
    if len(meant) > 1:
        raise BadInput(said, f"begins {len(meant)} suggestions: give more digits")
    return meant[0]


async def _batch(calling: Calling, arguments: Sequence[str]) -> dict[str, Any]:
    """Run the identity service's batch, and answer what it tells. Errors: CommandFailed."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.identity", "suggest", *arguments),
        env=_environment(calling),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        out, err = await process.communicate()
    finally:  # Ctrl-C
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
    if process.returncode:
        lines = err.decode(errors="replace").split("\n")
        raise CommandFailed(next((line for line in reversed(lines) if line), "the batch ended without a word"))
    told: dict[str, Any] = json.loads(out)
    return told


def _environment(calling: Calling) -> dict[str, str]:
    """What the batch is to be run with. Raises `NotThere` where nobody says which database."""
    stack = running_stack(calling.data)
    if stack is not None and answers_here(calling.address, stack):
        (part,) = (part for part in stack.parts if part.address == calling.address)
        return {**os.environ, **part.environment}
    if DATABASE not in os.environ:
        raise NotThere(f"nothing runs on {calling.data}, and {DATABASE} does not say where the database is")
    return dict(os.environ)
