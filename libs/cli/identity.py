"""`portrait identity`: who is who, why, and what to do about it."""

from pathlib import Path
from typing import Annotated, Any, Final
from uuid import uuid4

import typer
from portrait.identity.v1 import identities_service_pb2 as pb
from portrait.identity.v1 import person_pb2, rules_pb2
from portrait.identity.v1.identities_service_pb2_grpc import IdentitiesStub
from rich.syntax import Syntax

from libs.cli import suggestions, who
from libs.cli.asking import sure
from libs.cli.calling import Calling
from libs.cli.commands import Commands
from libs.cli.errors import BadInput, CommandFailed
from libs.cli.profile import AsOf, AtLeast, KnownAt, read_at
from libs.cli.said import identifier_said, is_person_id, position_said
from libs.cli.texts import many, moment_said

COMMANDS = Commands("Who is who: whom an identifier names, why, and decisions about it.", "identity")
RULES = Commands("The rules by which identifiers join people.", "identity")
COMMANDS.app.add_typer(RULES.app, name="rules")
COMMANDS.app.add_typer(suggestions.COMMANDS.app)

MOST_ROUNDS: Final = 5

_NEITHER: Final = "neither a OneID (32 hexadecimal digits) nor"

Person = Annotated[str, typer.Argument(help="A OneID, or any identifier as type:value, such as phone:13800138000.")]
One = Annotated[str, typer.Argument(help="An identifier as type:value, such as phone:13800138000.")]
Other = Annotated[str, typer.Argument(help="Another identifier.")]
Because = Annotated[str, typer.Option(help="Why, for the record.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only show what would happen.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
RulesFile = Annotated[
    Path, typer.Argument(help="A YAML file with the whole set of types.", exists=True, dir_okay=False)
]


@COMMANDS.command("resolve", "portrait identity resolve phone:13800138000 member_no:M100")
async def resolve(
    calling: Calling,
    identifiers: Annotated[list[str], typer.Argument(help="Up to 1,000 identifiers as type:value.")],
    *,
    at_least: AtLeast = "",
) -> None:
    """Whom identifiers name."""
    asked = [identifier_said(one) for one in identifiers]
    stub = IdentitiesStub(calling.channel)
    if at_least:
        if len(asked) > 1:
            raise BadInput("--at-least", "goes with one identifier")
        position = read_at(calling, "", "", at_least).at_least
        answers = [
            (await calling.ask(stub.Resolve, pb.ResolveRequest(identifier=asked[0], at_least=position))).resolution
        ]
    else:
        answers = list((await calling.ask(stub.BatchResolve, pb.BatchResolveRequest(identifiers=asked))).resolutions)
    calling.show_each(answers, lambda: who.resolutions(identifiers, answers))


@COMMANDS.command("person", "portrait identity person phone:13800138000 --as-of 2026-03-01")
async def person(calling: Calling, person: Person, *, as_of: AsOf = "", known_at: KnownAt = "") -> None:
    """Everything that names one person: now, as of a past time, or as known then."""
    request = pb.GetPersonRequest(person=reference(person))
    if as_of:
        request.as_of.CopyFrom(moment_said("--as-of", as_of, calling.zone))
    if known_at:
        request.known_at.CopyFrom(moment_said("--known-at", known_at, calling.zone))
    found = (await calling.ask(IdentitiesStub(calling.channel).GetPerson, request)).person
    calling.show(found, lambda: who.person(found, calling.zone))


@COMMANDS.command("explain", "portrait identity explain phone:13800138000 member_no:M100")
async def explain(
    calling: Calling,
    one: Person,
    other: Annotated[str, typer.Argument(help="Another: why the two are one person, or why not.")] = "",
) -> None:
    """Why everything of a person belongs together; of two, why they are one person or why they are not."""
    request = pb.ExplainPersonRequest(one=reference(one))
    if other:
        request.other.CopyFrom(reference(other))
    answer = await calling.ask(IdentitiesStub(calling.channel).ExplainPerson, request)
    calling.show(answer, lambda: who.explained(answer, calling.zone))


@COMMANDS.command("link", 'portrait identity link phone:13800138000 member_no:M100 --because "came to the desk"')
async def link(calling: Calling, one: One, other: Other, *, because: Because = "", dry_run: DryRun = False) -> None:
    """Decide that two identifiers name one person; `unlink` takes it back.

    Limits and forbidden pairs hold all the same.
    """
    request = pb.LinkRequest(one=identifier_said(one), other=identifier_said(other), reason=because)
    await _decide(calling, IdentitiesStub(calling.channel).Link, request, dry_run=dry_run)


@COMMANDS.command("unlink", 'portrait identity unlink phone:13800138000 member_no:M100 --because "a typing error"')
async def unlink(calling: Calling, one: One, other: Other, *, because: Because = "", dry_run: DryRun = False) -> None:
    """Take back that two identifiers name one person, whoever or whatever said so."""
    request = pb.UnlinkRequest(one=identifier_said(one), other=identifier_said(other), reason=because)
    await _decide(calling, IdentitiesStub(calling.channel).Unlink, request, dry_run=dry_run)


@COMMANDS.command("split", 'portrait identity split phone:13800138000 --because "the number of the shop"')
async def split(
    calling: Calling, one: One, *, because: Because = "", yes: Yes = False, dry_run: DryRun = False
) -> None:
    """Part one identifier from its person: unlinks it from each identifier that it is joined with.

    Shows these first, and asks. Only an address that is verified anew joins them again.
    """
    stub, asked_for = IdentitiesStub(calling.channel), identifier_said(one)
    key = (await calling.ask(stub.Resolve, pb.ResolveRequest(identifier=asked_for))).resolution.key
    asked = pb.ExplainPersonRequest(one=person_pb2.PersonReference(identifier=asked_for))
    answer = await calling.ask(stub.ExplainPerson, asked)
    edges = _edges_at(key, answer)
    if dry_run:
        calling.show_each(edges, lambda: who.edges("To be unlinked", edges, calling.zone))
        return
    if edges and not calling.as_json:
        calling.console.print(who.edges("To be unlinked", edges, calling.zone))
    if edges:
        sure(f"Part {one} from {many(len(edges), 'identifier')} (tenant {calling.tenant})?", yes=yes)
    for _ in range(MOST_ROUNDS):  # one edge may have hidden another
        for edge in edges:
            request = pb.UnlinkRequest(reason=because, request_id=uuid4().hex)
            for identifier, known in ((request.one, edge.one), (request.other, edge.other)):
                identifier.type, identifier.value = known.type, known.value
            await calling.ask(stub.Unlink, request)
        answer = await calling.ask(stub.ExplainPerson, asked)
        edges = _edges_at(key, answer)
        if not edges:
            break
    else:
        raise CommandFailed(f"{one} is still joined with others: portrait identity explain {one}")
    calling.show(answer, lambda: who.explained(answer, calling.zone))


@COMMANDS.command("forbid", 'portrait identity forbid member_no:M100 member_no:M200 --because "twins"')
async def forbid(calling: Calling, one: One, other: Other, *, because: Because = "", dry_run: DryRun = False) -> None:
    """Decide that two are never one person, whatever is seen; `allow` takes it back."""
    request = pb.ForbidPairRequest(one=identifier_said(one), other=identifier_said(other), reason=because)
    await _decide(calling, IdentitiesStub(calling.channel).ForbidPair, request, dry_run=dry_run)


@COMMANDS.command("allow", "portrait identity allow member_no:M100 member_no:M200")
async def allow(calling: Calling, one: One, other: Other, *, because: Because = "", dry_run: DryRun = False) -> None:
    """Let a forbidden pair be one person again, if what is seen says so."""
    request = pb.AllowPairRequest(one=identifier_said(one), other=identifier_said(other), reason=because)
    await _decide(calling, IdentitiesStub(calling.channel).AllowPair, request, dry_run=dry_run)


@COMMANDS.command("block", 'portrait identity block phone:02112345678 --because "the switchboard of an office"')
async def block(calling: Calling, identifier: One, *, because: Because = "", dry_run: DryRun = False) -> None:
    """Decide that a value names nobody: it joins nobody any more, also what it joined before."""
    request = pb.BlockIdentifierRequest(identifier=identifier_said(identifier), reason=because)
    await _decide(calling, IdentitiesStub(calling.channel).BlockIdentifier, request, dry_run=dry_run)


@COMMANDS.command("unblock", "portrait identity unblock phone:02112345678")
async def unblock(calling: Calling, identifier: One, *, because: Because = "", dry_run: DryRun = False) -> None:
    """Let a blocked value name somebody again."""
    request = pb.UnblockIdentifierRequest(identifier=identifier_said(identifier), reason=because)
    await _decide(calling, IdentitiesStub(calling.channel).UnblockIdentifier, request, dry_run=dry_run)


@COMMANDS.command("preview", "portrait identity preview rules.yaml --sample 5")
async def preview(
    calling: Calling,
    file: RulesFile,
    *,
    sample: Annotated[int, typer.Option(min=1, max=200, help="Show so many of the people concerned.")] = 20,
) -> None:
    """What rules would change, for whom; nothing changes."""
    request = pb.PreviewRulesRequest(document=_document(file), sample_size=sample)
    answer = await calling.ask(IdentitiesStub(calling.channel).PreviewRules, request)
    calling.show(answer.plan, lambda: who.plan(answer.plan))


@COMMANDS.command("watch", "portrait identity watch -o json")
async def watch(
    calling: Calling,
    *,
    behind: Annotated[
        list[str] | None, typer.Option(help="Continue behind this position of the identity log; may be repeated.")
    ] = None,
) -> None:
    """Every change of who is who as it happens, until Ctrl-C."""
    request = pb.WatchChangesRequest(behind=[position_said("--behind", one) for one in behind or []])
    async for answer in calling.stream(IdentitiesStub(calling.channel).WatchChanges, request):
        if calling.as_json:
            calling.line(answer)
        elif answer.WhichOneof("change"):
            calling.console.print(who.change(answer), soft_wrap=True)


@RULES.command("show", "portrait identity rules show > rules.yaml")
async def show_rules(
    calling: Calling,
    *,
    version: Annotated[int | None, typer.Option(min=0, help="A former version; 0 is what Portrait ships.")] = None,
) -> None:
    """The rules that stand, in the form that `apply` takes."""
    request = pb.GetRulesRequest(version=version)
    rules = (await calling.ask(IdentitiesStub(calling.channel).GetRules, request)).rules
    if calling.as_json:
        calling.line(rules)
    elif calling.console.is_terminal:
        calling.console.print(Syntax(rules.document, "yaml", background_color="default"))
    else:  # as it is, for a file: a console would break long lines
        typer.echo(rules.document, nl=False)


@RULES.command("apply", "portrait identity rules apply rules.yaml")
async def apply_rules(calling: Calling, file: RulesFile, *, yes: Yes = False) -> None:
    """Publish rules, by which everybody is then resolved anew: shows what changes, and asks."""
    stub = IdentitiesStub(calling.channel)
    current = (await calling.ask(stub.GetRules, pb.GetRulesRequest())).rules
    request = pb.PublishRulesRequest(
        rules=rules_pb2.Rules(document=_document(file)), etag=current.etag, validate_only=True
    )
    planned = await calling.ask(stub.PublishRules, request)
    if not calling.as_json:
        calling.console.print(who.plan(planned.plan))
    if not planned.plan.changes:
        calling.show(planned, lambda: f"[green]●[/] version {current.version} says so already")
        return
    sure(f"Publish version {planned.rules.version} of the rules (tenant {calling.tenant})?", yes=yes)
    request.validate_only, request.request_id = False, uuid4().hex
    published = await calling.ask(stub.PublishRules, request)
    calling.show(published, lambda: f"[green]●[/] version {published.rules.version} of the rules stands")


def reference(said: str) -> person_pb2.PersonReference:
    """A person as typed. Raises `BadInput`."""
    if is_person_id(said):
        return person_pb2.PersonReference(person_id=said)
    return person_pb2.PersonReference(identifier=identifier_said(said, wanted=_NEITHER))


async def _decide(calling: Calling, method: Any, request: Any, *, dry_run: bool) -> None:
    """Send a decision, or ask what it would lead to."""
    request.validate_only, request.request_id = dry_run, uuid4().hex
    decided: pb.Decided = (await calling.ask(method, request)).decided
    calling.show(decided, lambda: who.decided(decided, calling.zone, dry=dry_run))


def _edges_at(key: str, answer: pb.ExplainPersonResponse) -> list[person_pb2.Edge]:
    """The evidence that joins one identifier directly with others."""
    return [edge for edge in answer.chain if key in {edge.one.key, edge.other.key}]


def _document(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise BadInput(str(file), "is not UTF-8") from None
