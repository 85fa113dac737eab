"""Definitions in files: read, planned and published, each by the call for its kind.

A file holds one definition or several, with `---` between them. The field that names it says of what kind one is.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple
from uuid import uuid4

import grpc
import typer
from portrait.tagging.v1 import segments_service_pb2 as segments
from portrait.tagging.v1 import tags_service_pb2 as tags
from portrait.tagging.v1.segments_service_pb2_grpc import SegmentsStub
from portrait.tagging.v1.tags_service_pb2_grpc import TagsStub
from rich.console import RenderableType
from rich.syntax import Syntax

from libs.cli import batches, labels
from libs.cli.asking import sure
from libs.cli.calling import Calling
from libs.cli.errors import BadInput, CommandFailed, refusal
from libs.cli.texts import many
from libs.rpc.client import details_of

YAML: Final = (".yaml", ".yml")

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only show the plan.")]
LookAt = Annotated[int, typer.Option(min=1, max=10_000, help="Look at so many people for the plan.")]
Because = Annotated[str, typer.Option(help="Why, for the record.")]
Version = Annotated[int, typer.Option(min=0, help="A former version; 0 is the newest.")]
Paths = Annotated[list[Path], typer.Argument(help="YAML files, or folders of them.", exists=True)]


class _Kind(NamedTuple):
    """How one kind of definition is published, and read again by its key."""

    publishing: type[Any]
    publish: Callable[[Calling], Any]
    reading: Callable[[str], Any]
    read: Callable[[Calling], Any]


_KINDS: Final[Mapping[str, _Kind]] = {
    "tag": _Kind(
        tags.PublishTagRequest,
        lambda calling: TagsStub(calling.channel).PublishTag,
        lambda key: tags.GetTagRequest(tag=key),
        lambda calling: TagsStub(calling.channel).GetTag,
    ),
    "segment": _Kind(
        segments.PublishSegmentRequest,
        lambda calling: SegmentsStub(calling.channel).PublishSegment,
        lambda key: segments.GetSegmentRequest(segment=key),
        lambda calling: SegmentsStub(calling.channel).GetSegment,
    ),
    "lifecycle": _Kind(
        tags.PublishLifecycleRequest,
        lambda calling: TagsStub(calling.channel).PublishLifecycle,
        lambda _: tags.GetLifecycleRequest(),
        lambda calling: TagsStub(calling.channel).GetLifecycle,
    ),
    "tiers": _Kind(
        tags.PublishTiersRequest,
        lambda calling: TagsStub(calling.channel).PublishTiers,
        lambda _: tags.GetTiersRequest(),
        lambda calling: TagsStub(calling.channel).GetTiers,
    ),
}
"""By the field that says so."""

_NAMED: Final = re.compile(rf"^({'|'.join(_KINDS)}):", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Planned:
    """What publishing one document would do, as it was answered; `etag` is of the version that it replaces."""

    where: str
    document: str
    kind: _Kind
    etag: str
    answer: Any


async def apply_files(calling: Calling, paths: Sequence[Path], *, yes: bool, dry_run: bool, look_at: int) -> None:
    """Publish every definition in some files, behind those that it reads: shows for whom they change what, and asks."""
    plans = await planned(calling, paths, look_at)
    pending = [] if dry_run else [one for one in plans if one.answer.plan.changes]
    if not calling.as_json:
        for one in plans:
            calling.console.print(labels.plan(one.where, one.answer.definition, one.answer.plan))
    if pending:
        sure(f"Publish {many(len(pending), 'definition')} (tenant {calling.tenant})?", yes=yes)
    for one in pending:
        request = one.kind.publishing(document=one.document, etag=one.etag, request_id=uuid4().hex, look_at=1)
        published = await calling.ask(one.kind.publish(calling), request)
        if not calling.as_json:
            calling.console.print(f"[green]●[/] {published.definition.key} version {published.definition.version}")
    if calling.as_json:
        for one in plans:
            calling.line(one.answer)


def show_definition(calling: Calling, found: Any, versions: RenderableType) -> None:
    """What was found of a definition, with its versions where a person looks; else in the form that `apply` takes."""
    if calling.as_json:
        calling.line(found)
    elif calling.console.is_terminal:
        calling.console.print(versions)
        calling.console.print(Syntax(found.definition.document, "yaml", background_color="default"))
    else:  # as it is, for a file: a console would break long lines
        typer.echo(found.definition.document, nl=False)


async def retire_definition(
    calling: Calling, retire: Any, request: Any, name: str, lost: tuple[str, str], *, yes: bool
) -> None:
    """Retire what a request names: asks first, with how many people lose it in words, such as "person loses it"."""
    request.validate_only = True
    tried = await calling.ask(retire, request)
    sure(f"Retire {name}? {many(tried.lost, *lost)} (tenant {calling.tenant}).", yes=yes)
    request.validate_only, request.request_id = False, uuid4().hex
    retired = await calling.ask(retire, request)
    calling.show(retired, lambda: f"[green]●[/] {name} is retired")


async def planned(calling: Calling, paths: Sequence[Path], look_at: int) -> list[Planned]:
    """What publishing some files would do, each definition behind those that it reads. Raises `BadInput`."""
    plans, pending = [], batches.Pending()
    for one in batches.in_order([batches.written(*each) for each in documents_in(paths)]):
        plan = await _planned(calling, one.where, one.document, look_at)
        pending.settle(one, plan.answer)
        plans.append(plan)
    return plans


def documents_in(paths: Sequence[Path]) -> Iterator[tuple[str, str]]:
    """Every document in some files and folders, as text, with where it stands. Raises `BadInput`."""
    for path in paths:
        files = sorted(one for one in path.rglob("*") if one.suffix in YAML) if path.is_dir() else [path]
        if not files:
            raise BadInput(str(path), "holds no YAML files")
        for file in files:
            yield from _documents(file)


def _documents(file: Path) -> Iterator[tuple[str, str]]:
    try:
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise BadInput(str(file), "is not UTF-8") from None
    parts: list[list[str]] = [[]]
    for line in text.splitlines(keepends=True):
        if line.rstrip() == "---":
            parts.append([])
        else:
            parts[-1].append(line)
    said = ["".join(part) for part in parts if any(line.strip() and not line.startswith("#") for line in part)]
    if not said:
        raise BadInput(str(file), "defines nothing")
    for index, document in enumerate(said):
        yield (f"{file} ({index + 1})" if len(said) > 1 else str(file)), document


async def _planned(calling: Calling, where: str, document: str, look_at: int) -> Planned:
    """What publishing a document would do. Raises `BadInput` for one that does not say what it defines."""
    named = _NAMED.search(document)
    if named is None:
        raise BadInput(where, f"has none of the fields {', '.join(_KINDS)}, one of which says what it defines")
    kind = _KINDS[named[1]]
    request = kind.publishing(document=document, validate_only=True, look_at=look_at)
    try:
        answer = await calling.ask(kind.publish(calling), request)
    except grpc.aio.AioRpcError as error:  # a folder holds many: which is at fault, the service can't know
        raise CommandFailed(f"{where}: {refusal(details_of(error))}") from error
    etag = ""
    if answer.definition.version > 1:
        etag = (await calling.ask(kind.read(calling), kind.reading(answer.definition.key))).definition.etag
    return Planned(where, document, kind, etag, answer)
