"""`portrait schema`: what events and traits mean to the tenant.

A file holds one schema or several (`---` between them), with the fields of the proto as words:

    name: order_completed
    kind: event                     # or traits
    description: A paid order
    unknown_properties: allow       # or quarantine
    weight: 8
    money_flow: order               # or refund
    properties:
      - {name: total, type: number, role: amount, required: true}
      - {name: "products[].price", type: number, role: price}
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import grpc
import typer
import yaml
from portrait.profile.v1 import schemas_service_pb2 as pb
from portrait.profile.v1.schemas_service_pb2_grpc import SchemasStub
from rich.console import RenderableType
from rich.markup import escape
from rich.syntax import Syntax

from libs.cli.asking import sure
from libs.cli.calling import Calling
from libs.cli.commands import Commands
from libs.cli.errors import BadInput
from libs.cli.paging import listed
from libs.cli.plain import message_from, plain
from libs.cli.tables import table
from libs.cli.texts import many, moment
from libs.runtime.strict_yaml import write_yaml

COMMANDS = Commands("What events and traits mean.")

YAML: Final = (".yaml", ".yml")
GIVEN_BY_SERVICE: Final = ("version", "revision", "etag", "published_at")
EVERYTHING: Final = 1 << 40


@dataclass(frozen=True, slots=True)
class Planned:
    """What publishing one schema would do, and how it would stand; `etag` is of the version that it replaces."""

    where: str
    schema: pb.Schema
    standing: pb.Schema
    etag: str
    changes: list[str]


@COMMANDS.command("apply", "portrait schema apply schemas/ --yes")
async def apply(
    calling: Calling,
    paths: Annotated[list[Path], typer.Argument(help="YAML files, or folders of them.", exists=True)],
    *,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show the plan.")] = False,
) -> None:
    """Publish schemas from files: shows what changes, and asks."""
    plans = [await _plan(calling, where, schema) for where, schema in schemas_in(paths)]
    pending = [] if dry_run else [one for one in plans if one.changes]
    if not calling.as_json:
        calling.console.print(_plan_table(plans))
    if pending:
        sure(f"Publish {many(len(pending), 'schema')} (tenant {calling.tenant})?", yes=yes)
    for one in plans:
        standing = await _publish(calling, one) if one in pending else one.standing
        if calling.as_json:
            calling.line(
                {"name": standing.name, "from": one.where, "changes": one.changes, "version": standing.version}
            )
        elif one in pending:
            calling.console.print(f"[green]●[/] {standing.name} is version {standing.version}")


@COMMANDS.command("show", "portrait schema show order_completed > order_completed.yaml")
async def show(
    calling: Calling,
    name: Annotated[str, typer.Argument(help="Name of the event, or traits.")],
    *,
    version: Annotated[int, typer.Option(min=0, help="A former version; 0 is the current one.")] = 0,
) -> None:
    """One schema, in the form that `apply` takes."""
    answer = await calling.ask(SchemasStub(calling.channel).GetSchema, pb.GetSchemaRequest(name=name, version=version))
    if calling.as_json:
        calling.line(answer.schema)
    elif calling.console.is_terminal:
        calling.console.print(Syntax(_yaml(answer.schema), "yaml", background_color="default"))
    else:  # as it is, for a file: a console would break long lines
        typer.echo(_yaml(answer.schema), nl=False)


@COMMANDS.command("list", "portrait schema list")
async def list_(calling: Calling) -> None:
    """Every schema, those that Portrait ships included."""
    stub, request = SchemasStub(calling.channel), pb.ListSchemasRequest()
    found, _ = await listed(calling, stub.ListSchemas, request, lambda page: page.schemas, EVERYTHING)
    calling.show_each(found, lambda: _table(calling, found))


def schemas_in(paths: list[Path]) -> Iterator[tuple[str, pb.Schema]]:
    """The schemas of files and folders, each with where it stands. Raises `BadInput`."""
    for path in paths:
        files = sorted(one for one in path.rglob("*") if one.suffix in YAML) if path.is_dir() else [path]
        if not files:
            raise BadInput(str(path), "holds no .yaml file")
        for file in files:
            try:
                documents = list(yaml.safe_load_all(file.read_text(encoding="utf-8")))
            except (UnicodeDecodeError, yaml.YAMLError) as error:
                raise BadInput(str(file), f"is not YAML: {' '.join(str(error).split())}") from None
            for document in documents:
                yield str(file), message_from(pb.Schema, _own(document), str(file))


def _own(document: Any) -> Any:
    """What a file may say, without what the service added when it showed the schema."""
    if not isinstance(document, dict):
        return document
    return {name: value for name, value in document.items() if name not in GIVEN_BY_SERVICE}


async def _plan(calling: Calling, where: str, schema: pb.Schema) -> Planned:
    """Ask what would change, and for the version that would be replaced, so that nothing else is."""
    stub = SchemasStub(calling.channel)
    try:
        current = (await calling.ask(stub.GetSchema, pb.GetSchemaRequest(name=schema.name))).schema
    except grpc.aio.AioRpcError as error:
        if error.code() is not grpc.StatusCode.NOT_FOUND:
            raise
        current = pb.Schema()
    request = pb.PublishSchemaRequest(schema=schema, validate_only=True)
    answer = await calling.ask(stub.PublishSchema, request)
    return Planned(where, schema, answer.schema, current.etag if current.version else "", list(answer.changes))


async def _publish(calling: Calling, one: Planned) -> pb.Schema:
    request = pb.PublishSchemaRequest(schema=one.schema, etag=one.etag)
    return (await calling.ask(SchemasStub(calling.channel).PublishSchema, request)).schema


def _plan_table(plans: list[Planned]) -> RenderableType:
    shown = table("schema", "from", "what changes")
    for one in plans:
        shown.add_row(one.schema.name, one.where, escape("\n".join(one.changes)) or "[dim]nothing[/]")
    return shown


def _yaml(schema: pb.Schema) -> str:
    data = {name: value for name, value in plain(schema).items() if value and name not in GIVEN_BY_SERVICE}
    data["properties"] = [{name: value for name, value in one.items() if value} for one in data.get("properties", [])]
    return write_yaml(data, flow=None)


def _table(calling: Calling, found: list[pb.Schema]) -> RenderableType:
    shown = table("=name", ">version", "=published", ">properties", ">weight", "money", "unknown ones")
    for one in found:
        said = plain(one)
        published = moment(one.published_at, calling.zone) if one.version else "[dim]ships with Portrait[/]"
        properties = str(len(one.properties) or "–")
        counts = str(one.version or "–"), published, properties, str(one.weight or "–")
        shown.add_row(one.name, *counts, said["money_flow"], said["unknown_properties"])
    return shown
