"""From portraits to suggestions to decisions, on real tables and over gRPC."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import grpc
import pytest
from portrait.identity.v1 import identities_service_pb2 as pb

from libs.rpc.client import details_of
from libs.rpc.pages import next_page
from libs.runtime.clock import ManualClock
from services.identity.linking.plain import PlainLinker
from services.identity.suggesting import Suggesting
from tests.support.identity import seen
from tests.support.identity_service import Asked
from tests.support.profile import refused

Traits = Mapping[str, Any]

ANNA: Traits = {
    "first_name": "Anna",
    "last_name": "Lee",
    "birthday": "1990-05-01",
    "address": {"street": "1 Main Street"},
    "document_number": "X1234567",
}
BEN: Traits = {**ANNA, "first_name": "Ben", "birthday": "1988-02-03", "document_number": "X7654321"}
OTHERS: Mapping[str, Traits] = {
    f"u{n}": {"first_name": f"First{n}", "last_name": f"Last{n}", "birthday": f"19{n}-01-02"} for n in range(30, 60)
}
TWICE: Mapping[str, Traits] = {"u1": ANNA, "m2": ANNA, "n3": BEN, "w4": {}, **OTHERS}


class Told:
    """Portraits as tests tell them, by the name of an identifier."""

    def __init__(self, asked: Asked, traits: Mapping[str, Traits]) -> None:
        self._traits = {asked.world.key(name): one for name, one in traits.items()}

    async def traits(self, tenant: str, people: Sequence[bytes]) -> AsyncIterator[tuple[bytes, Traits]]:
        for person in people:
            if person in self._traits:
                yield person, self._traits[person]


async def suggested(asked: Asked, traits: Mapping[str, Traits] = TWICE, **request: Any) -> list[Any]:
    """Run the batch and list what is suggested then."""
    portraits = Told(asked, traits)
    suggesting = Suggesting(asked.world.pool, asked.world.rulebook, portraits, PlainLinker(), ManualClock(7))
    await suggesting.suggest(asked.world.tenant.id)
    return await listed(asked, **request)


async def listed(asked: Asked, **request: Any) -> list[Any]:
    return list((await asked.stub.ListSuggestions(pb.ListSuggestionsRequest(**request))).suggestions)


@pytest.fixture
async def town(asked: Asked) -> Asked:
    """Everybody was seen, each under an account."""
    await asked.saw(*(seen(name, f"d{name[1:]}") for name in TWICE))
    return asked


async def test_who_is_there_twice_is_suggested_with_reasons(town: Asked) -> None:
    (one,) = await suggested(town, min_score=0.9)
    assert {one.one.person_id, one.other.person_id} == {town.id("u1"), town.id("m2")}
    assert {each.subject for each in one.arguments} >= {"first name", "birthday", "document number", "chance"}
    assert list(one.warnings) == []
    assert one.state == pb.SUGGESTION_STATE_OPEN


async def test_an_accepted_suggestion_is_a_link_that_can_be_taken_back(town: Asked) -> None:
    (one,) = await suggested(town, min_score=0.9)
    accept = pb.AcceptSuggestionRequest(suggestion_id=one.suggestion_id, reason="the same passport")
    decided = (await town.stub.AcceptSuggestion(accept)).decided
    assert len(decided.people) == 1
    assert (await town.stub.AcceptSuggestion(accept)).decided.position == decided.position
    assert await listed(town, min_score=0.9) == []
    (kept,) = await listed(town, state=pb.SUGGESTION_STATE_ACCEPTED)
    assert kept.one == kept.other
    await town.stub.Unlink(town.pair(pb.UnlinkRequest, "u1", "m2"))
    assert not (await town.explain("u1", "m2")).same
    assert await suggested(town, min_score=0.9) == []


async def test_a_rejected_suggestion_is_a_forbidden_pair_and_never_comes_again(town: Asked) -> None:
    (one,) = await suggested(town, min_score=0.9)
    await town.stub.RejectSuggestion(pb.RejectSuggestionRequest(suggestion_id=one.suggestion_id, reason="twins"))
    assert await suggested(town, min_score=0.9) == []
    assert len(await listed(town, state=pb.SUGGESTION_STATE_REJECTED)) == 1
    note = (await town.stub.Link(town.pair(pb.LinkRequest, "u1", "m2"))).decided.note
    assert note
    await town.stub.AllowPair(town.pair(pb.AllowPairRequest, "u1", "m2"))
    assert await suggested(town, min_score=0.9) == []


async def test_what_was_accepted_can_not_be_rejected(town: Asked) -> None:
    (one,) = await suggested(town, min_score=0.9)
    await town.stub.AcceptSuggestion(pb.AcceptSuggestionRequest(suggestion_id=one.suggestion_id))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await town.stub.RejectSuggestion(pb.RejectSuggestionRequest(suggestion_id=one.suggestion_id))
    assert details_of(caught.value).reason == "SUGGESTION_DECIDED"


async def test_a_suggestion_that_settled_by_itself_is_shown_as_that(town: Asked) -> None:
    await suggested(town)
    await town.saw(seen("u1", "p1"), seen("m9", "p1"))  # a merge that has nothing to do with it
    assert len(await listed(town, min_score=0.9)) == 1
    await town.stub.ForbidPair(town.pair(pb.ForbidPairRequest, "u1", "m2"))
    assert await listed(town, min_score=0.9) == []
    (settled,) = await listed(town, state=pb.SUGGESTION_STATE_SETTLED, min_score=0.9)
    assert settled.state == pb.SUGGESTION_STATE_SETTLED


async def test_two_of_a_household_are_never_acceptable_without_a_warning(town: Asked) -> None:
    for one in await suggested(town, {**TWICE, "n3": {**BEN, "document_number": "X1234567"}}):
        if town.id("n3") in {one.one.person_id, one.other.person_id}:
            assert any("first names differ" in warning for warning in one.warnings)


async def test_pages_go_from_the_likeliest_on_and_nothing_comes_twice(town: Asked) -> None:
    everything = await suggested(town, {**TWICE, "w4": {**BEN, "gender": "m"}})
    assert len(everything) > 1
    paged, token = [], ""
    while True:
        answer = await town.stub.ListSuggestions(pb.ListSuggestionsRequest(page_size=1, page_token=token))
        paged += answer.suggestions
        token = answer.next_page_token
        if not token:
            break
    assert paged == everything
    assert [one.score for one in paged] == sorted((one.score for one in paged), reverse=True)


async def test_a_page_token_that_somebody_made_up_is_refused(asked: Asked) -> None:
    request = pb.ListSuggestionsRequest()
    for id_ in (b"short", b"long" * 5):
        request.page_token = next_page(request, (0.5, id_))
        error = await refused(asked.stub.ListSuggestions(request))
        assert (error.code, list(error.violations)) == ("INVALID_ARGUMENT", ["page_token"])


async def test_who_would_have_more_accounts_than_one_person_may_is_not_suggested(asked: Asked) -> None:
    await asked.saw(seen("u1", "d1"), seen("u2", "d2"))
    assert await suggested(asked, {"u1": ANNA, "u2": ANNA, **OTHERS}) == []


async def test_another_tenants_suggestion_does_not_exist(town: Asked) -> None:
    (one,) = await suggested(town, min_score=0.9)
    assert (await town.stranger.ListSuggestions(pb.ListSuggestionsRequest())).suggestions == []
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await town.stranger.AcceptSuggestion(pb.AcceptSuggestionRequest(suggestion_id=one.suggestion_id))
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
