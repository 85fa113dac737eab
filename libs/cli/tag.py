"""`portrait tag`: definitions of tags, who has which, and why.

A file holds one definition or several (`---` between them); docs/guides/write-a-tag.md explains them.
"""

from functools import partial
from typing import Annotated, Final
from uuid import uuid4

import typer
from portrait.tagging.v1 import tag_pb2 as tags
from portrait.tagging.v1 import tags_service_pb2 as pb
from portrait.tagging.v1.tags_service_pb2_grpc import TagsStub

from libs.cli import labels
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
    planned,
    retire_definition,
    show_definition,
)
from libs.cli.errors import BadInput
from libs.cli.identity import reference
from libs.cli.paging import listed
from libs.cli.profile import AsOf, AtLeast, KnownAt, read_at
from libs.cli.said import position_said
from libs.cli.texts import NOTHING_THEN, moment_said

COMMANDS = Commands("Tags: what can be said of people, who has which, and why.", "tagging")

EVERYTHING: Final = 1 << 40

Person = Annotated[str, typer.Argument(help="A OneID, or any identifier as type:value, such as phone:13800138000.")]
Tag = Annotated[str, typer.Argument(help="Key of a tag, such as frequent_skincare.")]


@COMMANDS.command("apply", "portrait tag apply tags/ --yes")
async def apply(
    calling: Calling, paths: Paths, *, yes: Yes = False, dry_run: DryRun = False, look_at: LookAt = 500
) -> None:
    """Publish definitions from files, of tags or of any other kind: shows for whom they change what, and asks."""
    await apply_files(calling, paths, yes=yes, dry_run=dry_run, look_at=look_at)


@COMMANDS.command("preview", "portrait tag preview vip.yaml --look-at 2000")
async def preview(calling: Calling, paths: Paths, *, look_at: LookAt = 500) -> None:
    """What definitions would change, for whom; nothing changes."""
    for one in await planned(calling, paths, look_at):
        answer = one.answer
        calling.show(answer.plan, partial(labels.plan, one.where, answer.definition, answer.plan))


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
    if category and not found:
        everything, _ = await listed(
            calling, stub.ListTags, pb.ListTagsRequest(retired=retired), lambda page: page.definitions, EVERYTHING
        )
        there = ", ".join(sorted({one.category for one in everything})) or "none yet"
        raise BadInput("--category", f"no tag is of {category!r}; there are {there}")
    calling.show_each(found, lambda: labels.definitions(found, calling.zone))


@COMMANDS.command("show", "portrait tag show frequent_skincare > tag.yaml")
async def show(
    calling: Calling,
    tag: Tag,
    *,
    version: Version = 0,
) -> None:
    """A definition, in the form that `apply` takes."""
    found = await calling.ask(TagsStub(calling.channel).GetTag, pb.GetTagRequest(tag=tag, version=version))
    show_definition(calling, found, labels.definitions(found.versions, calling.zone))


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
    found = await calling.look(TagsStub(calling.channel).GetPersonTags, request)
    calling.show(found, lambda: labels.held(found, calling.zone))
    if (as_of or known_at) and not (found.tags or found.segments or found.HasField("tier") or found.HasField("stage")):
        typer.echo(NOTHING_THEN, err=True)


@COMMANDS.command("explain", "portrait tag explain phone:13800138000 frequent_skincare")
async def explain(calling: Calling, person: Person, tag: Tag) -> None:
    """Why somebody has a tag or does not: every part of its condition, in events, and what would change it."""
    request = pb.ExplainTagRequest(person=reference(person), tag=tag)
    told = await calling.look(TagsStub(calling.channel).ExplainTag, request)
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
    request = pb.RetireTagRequest(tag=tag, etag=current.etag, reason=because)
    await retire_definition(calling, stub.RetireTag, request, tag, ("person loses it", "people lose it"), yes=yes)


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
    for one in tag or ():  # whoever waits for what there is not would wait for ever
        await calling.ask(TagsStub(calling.channel).GetTag, pb.GetTagRequest(tag=one))
    request = pb.WatchTagsRequest(tags=tag or [], behind=[position_said("--behind", one) for one in behind or []])
    async for answer in calling.stream(TagsStub(calling.channel).WatchTags, request):
        if calling.as_json:
            calling.line(answer)
        elif answer.WhichOneof("change"):
            calling.console.print(labels.change(answer, calling.zone), soft_wrap=True)


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
