"""`portrait collect`."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated
from uuid import uuid4

import typer
from portrait.log.v1 import event_pb2 as log_pb
from rich.markup import escape

from libs.cli.bookmark import Bookmark, place_of
from libs.cli.calling import Calling, console
from libs.cli.commands import in_help, with_calling
from libs.cli.errors import BadInput
from libs.cli.mapping import Mapping
from libs.cli.progress import watching
from libs.cli.rows import Lines, Records, Source
from libs.cli.scenario import Scenario
from libs.cli.sending import Manner, send
from libs.cli.tally import Tally
from libs.cli.where import answers_here, running_stack

STDIN = Path("-")
CSV = (".csv", ".tsv")
SOME_HOUSEHOLDS = 100


def add(app: typer.Typer) -> None:
    """Add the command."""
    app.command("collect", epilog=in_help("portrait collect orders.csv --mapping orders.yaml --historical"))(
        with_calling(collect, "profile")
    )


async def collect(
    calling: Calling,
    files: Annotated[
        list[Path] | None, typer.Argument(help="NDJSON files, CSV files (with --mapping), or - for NDJSON from stdin.")
    ] = None,
    *,
    mapping: Annotated[
        Path | None, typer.Option(help="YAML: which column of a CSV file goes where (docs/cli.md).", exists=True)
    ] = None,
    scenario: Annotated[str, typer.Option(help="A reference scenario instead of files, such as grocery.")] = "",
    full: Annotated[bool, typer.Option("--full", help="All of the scenario.")] = False,
    households: Annotated[int, typer.Option(min=1, help="So many households of the scenario.")] = SOME_HOUSEHOLDS,
    import_id: Annotated[
        str, typer.Option(help="Names what is collected, to take it back as a whole; default: made from the file.")
    ] = "",
    historical: Annotated[bool, typer.Option("--historical", help="History: starts no journeys.")] = False,
    batch: Annotated[int, typer.Option(min=1, max=2_500, help="Rows in a request.")] = 500,
    concurrency: Annotated[int, typer.Option(min=1, max=64, help="Requests at once.")] = 4,
    state: Annotated[
        Path | None, typer.Option(help="Where to keep the place in the file; default: in the data folder.")
    ] = None,
    from_start: Annotated[bool, typer.Option("--from-start", help="Forget the place; send all rows again.")] = False,
) -> None:
    """Collect interactions from files, and say what became of each row.

    A stopped import goes on where it was when the same command is given again. Rows without a message_id get one made
    from the file's content and their number, so that no row counts twice. What can't be recorded waits in quarantine.

    The exit status is 1 if a row is in quarantine, or was too large to be sent.
    """
    if scenario:
        if files or mapping:
            raise BadInput("--scenario", "comes without files")
        found = Scenario.load(scenario)
        calling = calling.for_tenant(found.tenant)
        sources: list[Source] = [found.source(None if full else households)]
    else:
        sources = list(_sources(files or [], mapping, import_id))
    if state and len(sources) > 1:
        raise BadInput("--state", "is the place in one file, not in several")
    mode = log_pb.MODE_HISTORICAL if historical else log_pb.MODE_LIVE
    whole = True
    for source in sources:
        manner = Manner(batch, concurrency, import_id or source.import_id, mode)
        tally = await _collect(calling, source, manner, _bookmark(calling, source, state, from_start=from_start))
        whole = whole and not (tally.too_large or tally.quarantined)
    if not whole:
        raise typer.Exit(1)


async def _collect(calling: Calling, source: Source, manner: Manner, bookmark: Bookmark | None) -> Tally:
    tally = Tally()
    try:
        with watching(source.name, source.size) as watcher:
            await send(calling, source, manner, bookmark, watcher, tally)
    except BaseException:
        if bookmark and bookmark.rows:
            done = f"{source.name}: answered for up to row {bookmark.rows:,}; the same command goes on there"
            console(sys.stderr).print(escape(done))
        raise
    said = {"source": source.name, "tenant": calling.tenant, "import_id": manner.import_id, **tally.as_data()}
    title = f"{source.name} → {calling.tenant}"
    calling.show(said, lambda: tally.as_table(title, manner.import_id))
    return tally


def _sources(files: list[Path], mapping: Path | None, import_id: str) -> Iterator[Source]:
    if not files:
        raise BadInput("FILES", "name at least one file, or - for stdin, or a --scenario")
    columns = Mapping.load(mapping) if mapping else None
    for file in files:
        if file == STDIN:
            # A stream has no content to make ids from before it ends; the name of the import has to do.
            yield Lines(0, "stdin", import_id or uuid4().hex)
        elif not file.is_file():
            raise BadInput(str(file), "is not a file" if file.exists() else "does not exist")
        elif columns:
            yield Records.of(file, columns)
        elif file.suffix.lower() in CSV:
            raise BadInput(str(file), "a CSV file needs --mapping, which says what its columns are (docs/cli.md)")
        else:
            yield Lines.of(file)


def _bookmark(calling: Calling, source: Source, state: Path | None, *, from_start: bool) -> Bookmark | None:
    if not source.import_id:
        return None
    # The address of a stack of ours may change from one start to the next, and its data stay.
    elsewhere = "" if answers_here(calling.address, running_stack(calling.data)) else calling.address
    path = state or place_of(calling.data, calling.tenant, elsewhere, source.id)
    if from_start:
        path.unlink(missing_ok=True)
    return Bookmark(path, source.id, source.name)
