"""Pairs of people who may be one, and what somebody decided of them."""

from typing import Final

from portrait.identity.v1 import identities_service_pb2 as pb

from libs.people.spans import WHOLE
from libs.rpc.caller import calling_tenant, current_caller
from libs.rpc.pages import next_page, page_cursor
from libs.runtime.errors import FailedPrecondition, NotFound
from services.identity.api.parts import Context, Methods
from services.identity.codec.decisions import decided_on_wire
from services.identity.codec.suggestions import state_of, suggestion_on_wire
from services.identity.domain.decisions import Forbidden, Linked, Of
from services.identity.domain.evidence import Key
from services.identity.domain.person import Person
from services.identity.linking.kept import State, Suggested
from services.identity.queries.explaining import Outlook
from services.identity.rulebook import Reading
from services.identity.store.suggestions import FIRST_PAGE, Cursor, SuggestionRows
from services.identity.store.tenant import IdentityStore

PAGE: Final = 50
LARGEST_PAGE: Final = 100
"""Two people are read for each suggestion."""


class SuggestingMethods(Methods):
    """`ListSuggestions`, `AcceptSuggestion`, `RejectSuggestion`."""

    async def ListSuggestions(self, request: pb.ListSuggestionsRequest, context: Context) -> pb.ListSuggestionsResponse:
        tenant, limit = calling_tenant(), min(request.page_size or PAGE, LARGEST_PAGE)
        behind = page_cursor(request, Cursor) or FIRST_PAGE
        async with self._parts.people.reading(tenant) as store:
            rows = SuggestionRows(store.connection, tenant)
            found = await rows.list(state_of(request.state), request.min_score, behind, limit + 1)
        reading = await self._reading(tenant)
        response = pb.ListSuggestionsResponse()
        for kept in found[:limit]:
            one = await self._person(tenant, kept.suggestion.one, reading)
            other = await self._person(tenant, kept.suggestion.other, reading)
            response.suggestions.append(suggestion_on_wire(kept, one, other))
        if len(found) > limit:
            last = found[limit - 1]
            response.next_page_token = next_page(request, Cursor(last.suggestion.score, last.id))
        return response

    async def AcceptSuggestion(
        self, request: pb.AcceptSuggestionRequest, context: Context
    ) -> pb.AcceptSuggestionResponse:
        return pb.AcceptSuggestionResponse(decided=await self._decide_suggestion(request, Linked, "accepted"))

    async def RejectSuggestion(
        self, request: pb.RejectSuggestionRequest, context: Context
    ) -> pb.RejectSuggestionResponse:
        return pb.RejectSuggestionResponse(decided=await self._decide_suggestion(request, Forbidden, "rejected"))

    async def _decide_suggestion(
        self,
        request: pb.AcceptSuggestionRequest | pb.RejectSuggestionRequest,
        kind: type[Linked | Forbidden],
        state: State,
    ) -> pb.Decided:
        tenant, id_ = calling_tenant(), bytes.fromhex(request.suggestion_id)
        reading, explaining = await self._reading(tenant), self._parts.explaining
        async with self._parts.people.reading(tenant) as store:
            kept = _check(await SuggestionRows(store.connection, tenant).get(id_), request.suggestion_id, state)
            two = (kept.suggestion.one, kept.suggestion.other)
            known = await store.resolved.known(two)
        a, b = (Of(key, known[key].type) for key in two)
        values: dict[Key, str] = {key: known[key].value for key in two}
        wanted = kind(b"", 0, current_caller().name, request.reason, a=a, b=b)

        async def look(store: IdentityStore) -> Outlook | None:
            rows = SuggestionRows(store.connection, tenant)
            _check(await rows.get(id_), request.suggestion_id, state)  # another may have decided meanwhile
            await rows.decide(id_, state)
            return await explaining.look(store, wanted, reading.rules, values)

        outcome = await self._parts.deciding.decide(
            tenant, wanted, values, request_id=f"{request.suggestion_id} {state}", look=look
        )
        people, note = await explaining.outcome(tenant, wanted, outcome.seen)
        return decided_on_wire(outcome.position, outcome.event_id, people, note)

    async def _person(self, tenant: str, founder: Key, reading: Reading) -> Person:
        """Whoever an identifier names now; nobody known, where all that was seen of it was taken back."""
        try:
            return await self._parts.people.person(tenant, (founder, WHOLE), reading.rules)
        except NotFound:
            return Person(founder)


def _check(kept: Suggested | None, name: str, wanted: State) -> Suggested:
    """A suggestion that may be decided so; raises `NotFound`, or `FailedPrecondition` if it was decided otherwise."""
    if kept is None:
        raise NotFound("suggestion", name)
    if kept.state in {"accepted", "rejected"} and kept.state != wanted:
        raise FailedPrecondition("SUGGESTION_DECIDED", f"suggestion {name} was {kept.state} already")
    return kept
