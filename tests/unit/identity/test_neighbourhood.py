"""A change looks at its neighbourhood, and at nobody else."""

from collections.abc import Iterable

import pytest

from services.identity.domain.changes import AnchorCut, IdentifierMoved, PersonsMerged, PersonsSplit
from services.identity.domain.decisions import Decisions
from services.identity.domain.evidence import Evidence, Key
from services.identity.domain.resolution import resolve
from tests.support.identity import (
    Retracted,
    Statement,
    World,
    block,
    case_of,
    forbid,
    inputs,
    key,
    link,
    logged_in,
    seen,
    unlink,
)


def affected(world: World, *statements: Statement) -> set[str]:
    """The identifiers that were read because of what is said last."""
    read: set[bytes] = set()
    around = world.identities.knowledge.around

    def watched(keys: Iterable[Key]) -> tuple[Evidence, Decisions]:
        wanted = set(keys)
        read.update(wanted)
        return around(wanted)

    world.identities.knowledge.around = watched  # type: ignore[method-assign]
    world.say(*statements)
    world.identities.knowledge.around = around  # type: ignore[method-assign]
    return {one.rstrip(b".").decode() for one in read}


@pytest.fixture
def world() -> World:
    """Two people of their own, and a kiosk at which both and four others were."""
    world = World()
    world.say(seen("u1", "p1"), seen("p1", "d1"), seen("u2", "p2"), *(seen(f"u{n}", "k1") for n in range(1, 7)))
    return world


def test_what_was_seen_before_touches_nobody(world: World) -> None:
    assert affected(world, seen("u1", "p1"), seen("u1", "k1"), seen("u1")) == set()


def test_a_new_edge_touches_both_people_and_not_the_kiosks_visitors(world: World) -> None:
    assert affected(world, seen("d1", "e1")) == {"u1", "p1", "d1", "e1"}
    assert affected(world, seen("u2", "e2")) == {"u2", "p2", "e2"}


def test_one_more_visitor_of_a_kiosk_touches_the_visitor(world: World) -> None:
    assert affected(world, seen("u9", "k1")) == {"u9"}


def test_an_unlinked_edge_touches_both_sides_and_a_forbidden_pair_too(world: World) -> None:
    assert affected(world, forbid("u1", "u2")) == {"u1", "p1", "d1", "u2", "p2"}
    assert affected(world, unlink("p1", "d1")) == {"u1", "p1", "d1"}
    assert affected(world, link("d1", "p2")) == {"d1", "u2", "p2"}


def test_a_login_at_a_kiosk_touches_who_logged_in(world: World) -> None:
    assert affected(world, logged_in("u1", "k1", session="s1")) == {"u1", "p1", "d1"}


def test_when_a_kiosk_is_no_longer_one_all_its_visitors_are_looked_at(world: World) -> None:
    assert affected(world, unlink("u3", "k1"), unlink("u4", "k1")) == {"u3", "u4", "k1"}
    assert affected(world, unlink("u5", "k1")) > {"u1", "p1", "d1", "u2", "p2", "u6", "k1"}


def test_a_first_device_is_no_merge_but_two_people_are(world: World) -> None:
    assert [type(one) for one in world.say(seen("e9", "u1"))] == [IdentifierMoved]
    assert world.say(seen("o1", "o2"), seen("o3", "o4"), seen("o1", "o4"))[-1] == PersonsMerged(
        key("o1"), (key("o1"), key("o3")), b"cause"
    )
    assert world.say(unlink("o1", "o4"))[-1] == PersonsSplit(key("o1"), (key("o1"), key("o3")), b"decision")


def test_a_cut_is_told_before_the_moves_of_its_spans_and_with_their_version(world: World) -> None:
    cut, move = world.say(seen("u2", "p1", verified="p1"))
    assert isinstance(cut, AnchorCut)
    assert isinstance(move, IdentifierMoved)
    assert (cut.anchor, move.identifier) == (key("p1"), key("p1"))
    assert cut.version == move.version == 2


def test_blocking_cuts_also_an_anchor_that_was_never_seen_with_another() -> None:
    world = World()
    assert [type(one) for one in world.say(seen("u1"), block("u1"))] == [AnchorCut]


def test_an_oversized_neighbourhood_waits_and_stalls_nobody_else() -> None:
    crowd = inputs(*(seen(f"e{n}", f"a{n}") for n in range(12)), *(seen(f"a{n}", f"e{n + 1}") for n in range(12)))
    others = inputs(seen("u1", "p1"), seen("p1", "d1"), first=50)
    world = World(largest=6)
    world.tell(crowd)
    assert world.identities.waiting
    world.tell(others)
    assert world.identities.resolved.all.people.keys() >= {key("p1"), key("d1")}
    assert world.settled() == resolve(case_of([*crowd, *others]))
    assert world.identities.waiting == {}


def test_a_retracted_interaction_takes_its_edges_along() -> None:
    said = inputs(seen("u1", "p1"), seen("p1", "d1"))
    world = World()
    world.tell(said)
    world.tell([Retracted(b"event1")])
    assert world.settled() == resolve(case_of(said[:1]))
