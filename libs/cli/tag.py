"""`portrait tag`: definitions of tags, who has which, and why.

A file holds one definition or several (`---` between them); docs/guides/write-a-tag.md explains them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Final
from uuid import uuid4

import typer
from portrait.tagging.v1 import tag_pb2 as tags
from portrait.tagging.v1 import tags_service_pb2 as pb
from portrait.tagging.v1.tags_service_pb2_grpc import TagsStub
from rich.syntax import Syntax

from libs.cli import labels
from libs.cli.asking import sure
from libs.cli.calling import Calling
from libs.cli.commands import Commands
from libs.cli.errors import BadInput
from libs.cli.identity import reference
from libs.cli.paging import listed
from libs.cli.profile import AsOf, AtLeast, KnownAt, read_at
from libs.cli.said import position_said
from libs.cli.texts import many, moment_said

COMMANDS = Commands("Tags: what can be said of people, who has which, and why.", "tagging")

YAML: Final = (".yaml", ".yml")
EVERYTHING: Final = 1 << 40

Person = Annotated[str, typer.Argument(help="A OneID, or any identifier as type:value, such as phone:13800138000.")]
Tag = Annotated[str, typer.Argument(help="Key of a tag, such as frequent_skincare.")]
Because = Annotated[str, typer.Option(help="Why, for the record.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
LookAt = Annotated[int, typer.Option(min=1, max=10_000, help="Look at so many people for the plan.")]
Paths = Annotated[list[Path], typer.Argument(help="YAML files, or folders of them.", exists=True)]


@dataclass(frozen=True, slots=True)
class Planned:
    """What publishing one document would do; `etag` is of the version that it replaces."""

    where: str
    document: str
    etag: str
    definition: tags.TagDefinition
    plan: pb.TagPlan


@COMMANDS.command("apply", "portrait tag apply tags/ --yes")
async def apply(
    calling: Calling,
    paths: Paths,
    *,
    yes: Yes = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show the plan.")] = False,
    look_at: LookAt = 500,
) -> None:
    """Publish definitions from files: shows for whom they change what, and asks."""
    plans = [await _plan(calling, where, document, look_at) for where, document in documents_in(paths)]
    pending = [] if dry_run else [one for one in plans if one.plan.changes]
    if not calling.as_json:
        for one in plans:
            calling.console.print(labels.plan(one.where, one.definition, one.plan))
    if pending:
        sure(f"Publish {many(len(pending), 'definition')} (tenant {calling.tenant})?", yes=yes)
    for one in pending:
        request = pb.PublishTagRequest(document=one.document, etag=one.etag, request_id=uuid4().hex, look_at=1)
        published = await calling.ask(TagsStub(calling.channel).PublishTag, request)
        if not calling.as_json:
            calling.console.print(f"[green]●[/] {published.definition.key} version {published.definition.version}")
    if calling.as_json:
        for one in plans:
            calling.line(pb.PublishTagResponse(definition=one.definition, plan=one.plan))


@COMMANDS.command("preview", "portrait tag preview vip.yaml --look-at 2000")
async def preview(calling: Calling, paths: Paths, *, look_at: LookAt = 500) -> None:
    """What definitions would change, for whom; nothing changes."""
    for where, document in documents_in(paths):
        planned = await _plan(calling, where, document, look_at)
        calling.show(planned.plan, partial(labels.plan, planned.where, planned.definition, planned.plan))


@COMMANDS.command("list", "portrait tag list --category interest")
async def list_(
    calling: Calling,
    *,
    category: Annotated[str, typer.Option(help="Only those of this category.")] = "",
    retired: Annotated[bool, typer.Option("--retired", help="Those that were retired, too.")] = False,
) -> None:
    """All definitions."""
    request = pb.ListTagsRequest(category=category, retired=retired)
    stub = TagsStub(calling.channel)
    found, _ = await listed(calling, stub.ListTags, request, lambda page: page.definitions, EVERYTHING)
    calling.show_each(found, lambda: labels.definitions(found, calling.zone))


@COMMANDS.command("show", "portrait tag show frequent_skincare > tag.yaml")
async def show(
    calling: Calling,
    tag: Tag,
    *,
    version: Annotated[int, typer.Option(min=0, help="A former version; 0 is the newest.")] = 0,
) -> None:
    """A definition, in the form that `apply` takes."""
    found = await calling.ask(TagsStub(calling.channel).GetTag, pb.GetTagRequest(tag=tag, version=version))
    if calling.as_json:
        calling.line(found)
    elif calling.console.is_terminal:
        calling.console.print(labels.definitions(found.versions, calling.zone))
        calling.console.print(Syntax(found.definition.document, "yaml", background_color="default"))
    else:  # as it is, for a file: a console would break long lines
        typer.echo(found.definition.document, nl=False)


@COMMANDS.command("person", "portrait tag person phone:13800138000 --as-of 2026-03-01")
async def person(
    calling: Calling, person: Person, *, as_of: AsOf = "", known_at: KnownAt = "", at_least: AtLeast = ""
) -> None:
    """The tags that somebody has: now, as of a past time, or as known then."""
    request = pb.GetPersonTagsRequest(person=reference(person))
    if as_of:
        request.as_of.CopyFrom(moment_said("--as-of", as_of, calling.zone))
    if known_at:
        request.known_at.CopyFrom(moment_said("--known-at", known_at, calling.zone))
    if at_least:
        request.at_least.CopyFrom(read_at(calling, "", "", at_least).at_least)
    found = await calling.ask(TagsStub(calling.channel).GetPersonTags, request)
    calling.show(found, lambda: labels.held(found, calling.zone))


@COMMANDS.command("explain", "portrait tag explain phone:13800138000 frequent_skincare")
async def explain(calling: Calling, person: Person, tag: Tag) -> None:
    """Why somebody has a tag or does not: every part of its condition, in events, and what would change it."""
    request = pb.ExplainTagRequest(person=reference(person), tag=tag)
    told = await calling.ask(TagsStub(calling.channel).ExplainTag, request)
    calling.show(told, lambda: labels.explained(told, calling.zone))


@COMMANDS.command("set", 'portrait tag set phone:13800138000 vip --because "the owner\'s sister"')
async def set_(
    calling: Calling,
    person: Person,
    tag: Tag,
    value: Annotated[
        str, typer.Argument(help="The value; a flag is true or false (not the tag, whatever rules find).")
    ] = "true",
    *,
    of: Annotated[str, typer.Option(help="The item or category that it is about.")] = "",
    until: Annotated[str, typer.Option(help="When it ends: a date or a time.")] = "",
    because: Because = "",
) -> None:
    """Say by hand what somebody has; it stands above what rules find, until it ends or is cleared."""
    definition = (await calling.ask(TagsStub(calling.channel).GetTag, pb.GetTagRequest(tag=tag))).definition
    request = pb.SetTagRequest(
        person=reference(person), tag=tag, value=value_said(value, definition), of=of, reason=because
    )
    request.request_id = uuid4().hex
    if until:
        request.expires_at.CopyFrom(moment_said("--until", until, calling.zone))
    answer = await calling.ask(TagsStub(calling.channel).SetTag, request)
    calling.show(answer, lambda: f"[green]●[/] {tag} of {answer.person_id} is set")


@COMMANDS.command("clear", "portrait tag clear phone:13800138000 vip")
async def clear(calling: Calling, person: Person, tag: Tag, *, because: Because = "") -> None:
    """Take back what was set by hand or imported, so that rules decide again."""
    request = pb.ClearTagRequest(person=reference(person), tag=tag, reason=because, request_id=uuid4().hex)
    answer = await calling.ask(TagsStub(calling.channel).ClearTag, request)
    calling.show(answer, lambda: f"[green]●[/] {tag} is cleared" if answer.event_id else "nothing was set")


@COMMANDS.command("retire", 'portrait tag retire frequent_skincare --because "nobody uses it"')
async def retire(calling: Calling, tag: Tag, *, because: Because = "", yes: Yes = False) -> None:
    """Let nobody have a tag any more: shows how many lose it, and asks."""
    stub = TagsStub(calling.channel)
    current = (await calling.ask(stub.GetTag, pb.GetTagRequest(tag=tag))).definition
    request = pb.RetireTagRequest(tag=tag, etag=current.etag, reason=because, validate_only=True)
    planned = await calling.ask(stub.RetireTag, request)
    losing = many(planned.lost, "person loses", "people lose")
    sure(f"Retire {tag}? {losing} it (tenant {calling.tenant}).", yes=yes)
    request.validate_only, request.request_id = False, uuid4().hex
    retired = await calling.ask(stub.RetireTag, request)
    calling.show(retired, lambda: f"[green]●[/] {tag} is retired")


@COMMANDS.command("watch", "portrait tag watch --tag frequent_skincare -o json")
async def watch(
    calling: Calling,
    *,
    tag: Annotated[list[str] | None, typer.Option(help="Only this tag; may be repeated.")] = None,
    behind: Annotated[
        list[str] | None, typer.Option(help="Continue behind this position of the tags log; may be repeated.")
    ] = None,
) -> None:
    """Every tag that somebody gets or loses as it happens, until Ctrl-C."""
    request = pb.WatchTagsRequest(tags=tag or [], behind=[position_said("--behind", one) for one in behind or []])
    async for answer in calling.stream(TagsStub(calling.channel).WatchTags, request):
        if calling.as_json:
            calling.line(answer)
        elif answer.WhichOneof("change"):
            calling.console.print(labels.change(answer, calling.zone), soft_wrap=True)


def documents_in(paths: list[Path]) -> Iterator[tuple[str, str]]:
    """Every document in some files and folders, as text, with where it stands. Raises `BadInput`."""
    for path in paths:
        files = sorted(one for one in path.rglob("*") if one.suffix in YAML) if path.is_dir() else [path]
        if not files:
            raise BadInput(str(path), "holds no YAML files")
        for file in files:
            yield from _documents(file)


def value_said(said: str, definition: tags.TagDefinition) -> tags.TagValue:
    """A value as typed. Raises `BadInput`."""
    match definition.value_type:
        case tags.VALUE_TYPE_FLAG:
            if said not in {"true", "false"}:
                raise BadInput("VALUE", f"{said!r} is neither true nor false, and {definition.key} is a flag")
            return tags.TagValue(flag=said == "true")
        case tags.VALUE_TYPE_NUMBER:
            try:
                return tags.TagValue(number=float(said))
            except ValueError:
                raise BadInput("VALUE", f"{said!r} is no number, as {definition.key} is") from None
        case _:
            return tags.TagValue(text=said)


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
    for index, document in enumerate(said):
        yield (f"{file} ({index + 1})" if len(said) > 1 else str(file)), document


async def _plan(calling: Calling, where: str, document: str, look_at: int) -> Planned:
    stub = TagsStub(calling.channel)
    request = pb.PublishTagRequest(document=document, validate_only=True, look_at=look_at)
    planned = await calling.ask(stub.PublishTag, request)
    etag = ""
    if planned.definition.version > 1:
        asked = pb.GetTagRequest(tag=planned.definition.key)
        etag = (await calling.ask(stub.GetTag, asked)).definition.etag
    return Planned(where, document, etag, planned.definition, planned.plan)
