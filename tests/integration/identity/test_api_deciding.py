"""Decisions over gRPC, each with the people as they then are and what it did not achieve."""

from typing import Any

import pytest
from portrait.identity.v1 import identities_service_pb2 as pb
from portrait.identity.v1 import person_pb2

from services.identity.queries.surroundings import surroundings
from tests.support.identity import seen
from tests.support.identity_service import ANN, Asked, values
from tests.support.profile import refused

ABOUT_PAIRS = [
    ("Link", pb.LinkRequest),
    ("Unlink", pb.UnlinkRequest),
    ("ForbidPair", pb.ForbidPairRequest),
    ("AllowPair", pb.AllowPairRequest),
]
ABOUT_ONE = [("BlockIdentifier", pb.BlockIdentifierRequest), ("UnblockIdentifier", pb.UnblockIdentifierRequest)]


async def decided(asked: Asked, method: str, request: Any) -> pb.Decided:
    answer: pb.Decided = (await getattr(asked.stub, method)(request)).decided
    return answer


async def test_a_link_joins_two_people_and_says_who_decided_and_why(asked: Asked) -> None:
    await asked.saw(seen("u1", "d1"), seen("e1", "d2"))
    done = await decided(asked, "Link", asked.pair(pb.LinkRequest, "u1", "e1", reason="came to the desk"))
    (person,) = done.people
    assert {one.value for one in person.identifiers} == values("u1", "d1", "e1", "d2")
    assert done.note == ""
    assert done.position.position > 0
    (edge,) = (await asked.explain("u1", "e1")).chain
    assert edge.reason == f"linked by {ANN}: came to the desk"
    assert list(edge.event_ids) == [done.event_id]


async def test_a_link_that_a_limit_forbids_says_so_and_joins_nobody(asked: Asked) -> None:
    await asked.saw(seen("u1"), seen("u2"))
    done = await decided(asked, "Link", asked.pair(pb.LinkRequest, "u1", "u2"))
    assert len(done.people) == 2
    assert done.note.endswith("one person may have at most 1 user_id")
    assert done.event_id


async def test_an_unlink_parts_people_and_linking_again_restores_their_ids(asked: Asked) -> None:
    await asked.saw(seen("u1", "e1"), seen("e1", "d1"))
    before = await asked.person("d1")
    done = await decided(asked, "Unlink", asked.pair(pb.UnlinkRequest, "u1", "e1"))
    assert [{one.value for one in person.identifiers} for person in done.people] == [values("u1"), values("e1", "d1")]
    await decided(asked, "Link", asked.pair(pb.LinkRequest, "u1", "e1"))
    assert (await asked.person("d1")).person_id == before.person_id


async def test_an_unlink_names_what_else_joins_the_two(asked: Asked) -> None:
    await asked.saw(seen("u1", "e1", "d1"))
    done = await decided(asked, "Unlink", asked.pair(pb.UnlinkRequest, "u1", "e1"))
    assert len(done.people) == 1
    assert "are still one person (" in done.note


async def test_a_forbidden_pair_parts_people_and_holds_against_links(asked: Asked) -> None:
    await asked.saw(seen("u1", "e1"), seen("e1", "m1"))
    done = await decided(asked, "ForbidPair", asked.pair(pb.ForbidPairRequest, "u1", "m1", reason="twins"))
    assert len(done.people) == 2
    linked = await decided(asked, "Link", asked.pair(pb.LinkRequest, "u1", "m1"))
    assert f"are never one person, decided by {ANN}: twins" in linked.note
    allowed = await decided(asked, "AllowPair", asked.pair(pb.AllowPairRequest, "u1", "m1"))
    assert len(allowed.people) == 1


async def test_a_blocked_value_joins_nobody_and_unblocked_joins_again(asked: Asked) -> None:
    await asked.saw(seen("u1", "e1"), seen("e1", "d2"))
    one = asked.identifier("e1")
    done = await decided(asked, "BlockIdentifier", pb.BlockIdentifierRequest(identifier=one, reason="the shop's own"))
    assert len(done.people) == 3
    assert not (await asked.explain("u1", "d2")).same
    assert "by ann: the shop's own" in (await asked.explain("u1", "d2")).summary
    done = await decided(asked, "UnblockIdentifier", pb.UnblockIdentifierRequest(identifier=one))
    assert len(done.people) == 1


@pytest.mark.parametrize(("method", "kind"), ABOUT_PAIRS)
async def test_what_would_happen_is_told_and_nothing_does(asked: Asked, method: str, kind: Any) -> None:
    await asked.saw(seen("u1", "e1"))
    before = await asked.person("u1")
    done = await decided(asked, method, asked.pair(kind, "u1", "e1", validate_only=True))
    assert done.event_id == b""
    assert not done.HasField("position")
    assert len(done.people) == (2 if method in {"Unlink", "ForbidPair"} else 1)
    assert await asked.person("u1") == before


@pytest.mark.parametrize(("method", "kind"), ABOUT_PAIRS)
async def test_a_repeated_request_is_answered_with_the_first_decision(asked: Asked, method: str, kind: Any) -> None:
    await asked.saw(seen("u1", "e1"))
    if method == "AllowPair":
        await decided(asked, "ForbidPair", asked.pair(pb.ForbidPairRequest, "u1", "e1"))
    request = asked.pair(kind, "u1", "e1", request_id="once")
    first, second = await decided(asked, method, request), await decided(asked, method, request)
    assert first == second
    assert first.event_id


async def test_a_request_id_of_another_decision_is_refused_lest_this_one_be_lost(asked: Asked) -> None:
    await asked.saw(seen("u1", "e1"), seen("u2", "e2"))
    first = await decided(asked, "Unlink", asked.pair(pb.UnlinkRequest, "u1", "e1", request_id="once"))
    error = await refused(asked.stub.Unlink(asked.pair(pb.UnlinkRequest, "u2", "e2", request_id="once")))
    assert (error.code, list(error.violations)) == ("INVALID_ARGUMENT", ["request_id"])
    assert await asked.names("u2") == values("u2", "e2")
    again = await decided(asked, "Unlink", asked.pair(pb.UnlinkRequest, "e1", "u1", request_id="once"))
    assert again.event_id == first.event_id


async def test_people_who_are_too_many_to_be_shown_can_be_parted_all_the_same(
    asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    await asked.saw(*(seen("u1", other) for other in ("e1", "e2", "e3", "d1", "d2")))
    monkeypatch.setattr(surroundings, "__defaults__", (4,))
    done = await decided(asked, "Unlink", asked.pair(pb.UnlinkRequest, "u1", "d1"))
    assert done.event_id
    assert "not shown" in done.note
    assert await asked.names("d1") == values("d1")


async def test_a_decision_that_stands_already_is_not_recorded_again(asked: Asked) -> None:
    request = pb.BlockIdentifierRequest(identifier=asked.identifier("e1"))
    await decided(asked, "BlockIdentifier", request)
    again = await decided(asked, "BlockIdentifier", request)
    assert (again.event_id, again.note) == (b"", "nothing was decided: it stood so already")


async def test_who_was_never_seen_can_be_decided_about(asked: Asked) -> None:
    done = await decided(asked, "Link", asked.pair(pb.LinkRequest, "u7", "e7"))
    (person,) = done.people
    assert {one.value for one in person.identifiers} == values("u7", "e7")
    assert not person.identifiers[0].HasField("first_seen_at")


@pytest.mark.parametrize(("method", "kind"), ABOUT_PAIRS)
async def test_a_decision_about_two_needs_two_that_can_name_somebody(asked: Asked, method: str, kind: Any) -> None:
    error = await refused(getattr(asked.stub, method)(asked.pair(kind, "u1", "u1")))
    assert (error.code, list(error.violations)) == ("INVALID_ARGUMENT", ["other"])
    error = await refused(getattr(asked.stub, method)(asked.pair(kind, "u1", "phone:12")))
    assert (error.reason, list(error.violations)) == ("MALFORMED", ["other"])
    error = await refused(getattr(asked.stub, method)(kind(one=asked.identifier("u1"))))
    assert (error.code, list(error.violations)) == ("INVALID_ARGUMENT", ["other"])
    error = await refused(getattr(asked.stub, method)(asked.pair(kind, "u1", "u2", reason="x" * 2001)))
    assert list(error.violations) == ["reason"]


@pytest.mark.parametrize(("method", "kind"), ABOUT_ONE)
async def test_a_decision_about_one_needs_one_that_can_name_somebody(asked: Asked, method: str, kind: Any) -> None:
    error = await refused(getattr(asked.stub, method)(kind(identifier=asked.identifier("user_id:null"))))
    assert (error.reason, list(error.violations)) == ("PLACEHOLDER", ["identifier"])


async def test_another_tenants_decisions_change_nothing_here(asked: Asked) -> None:
    """Pitfall 30."""
    await asked.saw(seen("u1", "e1"))
    await asked.stranger.Unlink(asked.pair(pb.UnlinkRequest, "u1", "e1"))
    assert await asked.names("u1") == values("u1", "e1")


async def test_what_parts_a_child_is_told_of_the_child(asked: Asked) -> None:
    """An openid goes with its unionid."""
    await asked.saw(seen("n1", "o1"), seen("n1", "e1"), seen("o1", "e1"))
    done = await decided(asked, "Unlink", asked.pair(pb.UnlinkRequest, "n1", "e1"))
    assert len(done.people) == 2
    refused_edges = (await asked.explain("o1", "e1")).refused
    assert {edge.outcome for edge in refused_edges} == {person_pb2.EDGE_OUTCOME_UNLINKED}
