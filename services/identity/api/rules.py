"""The rules that a tenant's identities follow: read, tried and published."""

from collections.abc import Iterator
from contextlib import contextmanager

from portrait.identity.v1 import identities_service_pb2 as pb
from portrait.identity.v1 import rules_pb2

from libs.people.identifiers import DEFAULT_RULES, IdentifierRules
from libs.people.normalise import region_of
from libs.people.rules_document import read_rules, written
from libs.rpc.caller import calling_tenant
from libs.runtime.errors import EtagMismatch, InvalidArgument, NotFound
from services.identity.api.parts import Context, Methods
from services.identity.codec.decisions import plan_on_wire, rules_on_wire
from services.identity.deciding import etag_of
from services.identity.domain.plan import Plan
from services.identity.domain.rules import decide, differences
from services.identity.store.rules import PublishedRules
from services.identity.store.tenant import IdentityStore

SAMPLE = 20


class RulesMethods(Methods):
    """`GetRules`, `PreviewRules`, `PublishRules`."""

    async def GetRules(self, request: pb.GetRulesRequest, context: Context) -> pb.GetRulesResponse:
        published = await self._published(calling_tenant())
        if not request.HasField("version"):
            return pb.GetRulesResponse(rules=_rules(published[-1] if published else None))
        found = next((one for one in published if one.version == request.version), None)
        if found is None and request.version:
            raise NotFound("rules", str(request.version))
        return pb.GetRulesResponse(rules=_rules(found))

    async def PreviewRules(self, request: pb.PreviewRulesRequest, context: Context) -> pb.PreviewRulesResponse:
        tenant = calling_tenant()
        now = (await self._reading(tenant)).rules
        with document_at("document"):
            then = self._publishable(tenant, now, request.document)
        changes, plan = await self._plan(tenant, now, then, request.sample_size or SAMPLE)
        return pb.PreviewRulesResponse(plan=plan_on_wire(plan, changes))

    async def PublishRules(self, request: pb.PublishRulesRequest, context: Context) -> pb.PublishRulesResponse:
        tenant, document = calling_tenant(), request.rules.document
        if not request.validate_only:
            repeated = await self._parts.deciding.published_by(tenant, request.request_id, document)
            if repeated is not None:  # its document may name a version that has been overtaken since
                return pb.PublishRulesResponse(rules=_rules(repeated), plan=rules_pb2.RulesPlan())
        now = (await self._reading(tenant)).rules
        with document_at("rules.document"):
            then = self._publishable(tenant, now, document)
        changes, plan = await self._plan(tenant, now, then, SAMPLE)
        response = pb.PublishRulesResponse(plan=plan_on_wire(plan, changes))
        if not request.validate_only:
            with document_at("rules.document"):
                publication = await self._parts.deciding.publish(
                    tenant, document, etag=request.etag, request_id=request.request_id
                )
            response.rules.CopyFrom(_rules(publication.published))
            return response
        published = await self._published(tenant)
        current = published[-1] if published else None
        if request.etag and request.etag != etag_of(current):
            raise EtagMismatch(request.etag, etag_of(current))
        would = rules_on_wire(then.version, document, "", None) if changes else _rules(current)
        response.rules.CopyFrom(would)
        return response

    def _publishable(self, tenant: str, now: IdentifierRules, document: str) -> IdentifierRules:
        """The rules of a document, of the version that they would have; raises `InvalidArgument`."""
        rules = read_rules(document, now.version + 1)
        if _same(rules, now):
            return now
        decide(self._parts.rulebook.history(tenant), rules)
        return rules

    async def _plan(
        self, tenant: str, now: IdentifierRules, then: IdentifierRules, sample: int
    ) -> tuple[list[str], Plan]:
        """What would change in the rules, and for people."""
        if now is then:
            return [], Plan()
        region = region_of(self._parts.tenants.get(tenant).locale)
        return list(differences(now, then)), await self._parts.previewing.plan(tenant, region, now, then, sample)

    async def _published(self, tenant: str) -> list[PublishedRules]:
        async with self._parts.people.pool.acquire() as connection:
            return await IdentityStore(connection, tenant).rules.published()


@contextmanager
def document_at(field: str) -> Iterator[None]:
    """Say where in a request the document stands in which something is wrong."""
    try:
        yield
    except InvalidArgument as error:
        told = f"{error.field}: {error.message}" if error.field else error.message
        raise InvalidArgument(field, told, error.reason) from None


def _rules(published: PublishedRules | None) -> rules_pb2.Rules:
    if published is None:
        return rules_on_wire(0, written(DEFAULT_RULES), etag_of(None), None)
    return rules_on_wire(published.version, published.document, etag_of(published), published.published_at)


def _same(one: IdentifierRules, other: IdentifierRules) -> bool:
    return (one.types, one.shared) == (other.types, other.shared)
