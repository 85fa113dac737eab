"""What has bitten others, each by its story."""

import random

from libs.people.anchor import Anchoring
from libs.people.identifiers import DEFAULT_RULES, Claimed
from libs.people.keys import Keyring
from libs.people.spans import WHOLE
from services.identity.domain.changes import IdentifierMoved, PersonsMerged, PersonsSplit
from services.identity.domain.evidence import Named, Sighting, combine
from services.identity.domain.resolution import resolve
from tests.support.identity import (
    IdentityScenario,
    Input,
    World,
    assert_map_says,
    case_of,
    inputs,
    key,
    leave,
    link,
    map_of,
    publish,
    rules,
    seen,
    unlink,
)


def test_a_merge_undone_is_as_if_it_had_never_been() -> None:
    world, never = World(), World()
    for each in (world, never):
        each.say(seen("u1", "p1"), seen("o1", "p2"))
    assert isinstance(world.say(link("p1", "p2"))[-1], PersonsMerged)
    assert world.settled() != never.settled()
    assert isinstance(world.say(leave("p1", "p2"))[-1], PersonsSplit)
    assert world.settled() == never.settled()
    assert_map_says(map_of(world.heard), never.settled())


def test_a_kiosk_with_500_people_stalls_nobody() -> None:
    world = World()
    world.say(*(seen(f"u{n}", "k1") for n in range(500)))
    assert world.settled().people == {}
    assert world.settled().marks == {key("k1"): "shared"}
    assert world.identities.waiting == {}


def test_two_replicas_that_missed_each_others_edge_end_as_one_that_saw_both() -> None:
    first, second = inputs(seen("u1", "p1"), seen("p1", "o1"))
    alone = [resolve(case_of([one])) for one in (first, second)]
    assert all(len(found.people) == 1 for found in alone)
    # Neither stale resolution is ever combined with the other: what is combined is the evidence.
    evidence = case_of([first]).evidence
    combine(evidence, case_of([second]).evidence)
    assert evidence == case_of([first, second]).evidence
    assert len(resolve(case_of([first, second])).people) == 2
    for order in ([first, second], [second, first]):
        world = World()
        for one in order:
            world.tell([one])
        assert world.settled() == resolve(case_of(order))


def test_a_late_older_move_does_not_resurrect_an_undone_merge() -> None:
    world = World()
    world.say(seen("u1"), seen("u1", "p1"), unlink("u1", "p1"), leave("u1", "p1"), unlink("u1", "p1"))
    moves = [one for one in world.heard if isinstance(one, IdentifierMoved)]
    assert [(one.to_person, one.version) for one in moves] == [
        (key("u1"), 1),
        (key("p1"), 2),
        (key("u1"), 3),
        (key("p1"), 4),
    ]
    for seed in range(24):
        known = map_of(random.Random(seed).sample(world.heard, len(world.heard)))
        assert known.person_of(key("p1"), WHOLE) == key("p1")


def test_null_zeros_and_guest_link_nobody() -> None:
    anchoring = Anchoring(DEFAULT_RULES, Keyring(b"secret"))
    nobody = [
        "null",
        '"null"',
        "00000000",
        "0",
        "guest",
        "undefined",
        "anonymous",
        "-1",
        "NaN",
        "[object Object]",
        "''",
    ]
    said: list[Input] = []
    for place, value in enumerate(nobody * 2):
        claims = [Claimed("user_id", value), Claimed("device_id", value), Claimed("phone", f"138001380{place:02}")]
        identified, refused = anchoring.identify(claims)
        assert [one.value for one in refused] == [value, value]
        named = tuple(Named(one.key, one.type.name) for one in identified)
        said.append(Sighting(str(place).encode(), place, place, named))
    assert resolve(case_of(said)).people == {}


def test_a_rule_tightened_later_splits_people_with_ids_that_they_had_before(identity: IdentityScenario) -> None:
    identity.given(seen("o1", "p1"), seen("o2", "p2"), seen("p1", "d1"), seen("p2", "d1"))
    identity.then("o1 d1 o2 p1 p2")
    identity.when(publish(rules(openid={"per_person": rules().types["user_id"].per_person})))
    identity.then("o1 d1 p1", "o2 p2", refused={"p2 d1": "TOO_MANY"})


def test_rules_loosened_again_restore_the_very_same_people(identity: IdentityScenario) -> None:
    identity.given(seen("o1", "p1"), seen("o2", "p2"), seen("p1", "p2"))
    before = identity.then("o1 o2 p1 p2")
    identity.when(publish(rules(openid={"per_person": rules().types["user_id"].per_person})))
    identity.when(publish(rules(version=2)))
    assert identity.then("o1 o2 p1 p2") == before
