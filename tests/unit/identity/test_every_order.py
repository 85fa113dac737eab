"""However the same inputs arrive, the people are the same."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from libs.people.identifiers import DAY, PerPerson
from libs.people.spans import WHOLE
from services.identity.domain.changes import places
from services.identity.domain.decisions import Decision, subjects
from services.identity.domain.evidence import Evidence, Key, Sighting, combine, observed
from services.identity.domain.graph import draw
from services.identity.domain.limits import crowded
from services.identity.domain.resolution import Resolution, resolve
from services.identity.domain.standing import Case
from tests.support.identity import (
    HOUR,
    AboutTwo,
    Input,
    Retracted,
    Statement,
    World,
    allow,
    assert_map_says,
    batches,
    block,
    case_of,
    forbid,
    inputs,
    leave,
    link,
    map_of,
    publish,
    rules,
    seen,
    unblock,
    unlink,
)

thorough = settings(deadline=None, max_examples=150)

TIGHT = rules(
    version=0,
    openid={"per_person": PerPerson(2)},
    phone={"per_person": PerPerson(2, 5 * DAY), "people": 3},
    device_id={"people": 2},
    cookie={"people": 2, "validity": 3 * DAY},
)
TIGHTER = rules(version=1, openid={"per_person": PerPerson(1)}, phone={"people": 1}, device_id={"people": 1})
LOOSER = rules(version=2, shared="apart", user_id={"per_person": PerPerson(2)})

NAMES = ["u1", "u2", "u3", "o1", "o2", "n1", "n2", "p1", "p2", "e1", "d1", "d2", "c1", "c2", "k1"]
UNDONE = [(link, leave), (unlink, leave), (forbid, allow)]
names = st.sampled_from(NAMES)
two = st.lists(names, min_size=2, max_size=2, unique=True)


@st.composite
def sightings(draw: st.DrawFn) -> Statement:
    together = draw(st.lists(names, min_size=1, max_size=3, unique=True))
    return seen(
        *together,
        day=draw(st.integers(1, 12)),
        verified=" ".join(draw(st.sets(st.sampled_from(together)))),
        session=draw(st.sampled_from(["", "s1", "s2"])),
        login=draw(st.booleans()),
    )


decisions = st.one_of(
    st.builds(lambda say, both: say(*both), st.sampled_from([link, unlink, leave, forbid, allow]), two),
    st.builds(lambda say, one: say(one), st.sampled_from([block, unblock]), names),
)
publications = st.sampled_from([publish(TIGHTER, screened="k1"), publish(LOOSER, screened="u1 p1")])
statements = st.integers(0, 20).flatmap(lambda n: sightings() if n > 7 else decisions if n else publications)


@st.composite
def histories(draw: st.DrawFn) -> list[Input]:
    said = inputs(*draw(st.lists(statements, min_size=1, max_size=25)))
    taken_back = draw(st.sets(st.integers(0, len(said) - 1), max_size=3))
    return [*said, *(Retracted(f"event{place}".encode()) for place in sorted(taken_back))]


@thorough
@given(histories(), st.integers(2, 40), st.randoms(use_true_random=False))
def test_in_every_order_batch_and_repetition_the_people_are_those_of_all_at_once(
    told: list[Input], largest: int, chance: random.Random
) -> None:
    at_once = resolve(case_of(told, TIGHT))
    world = World(TIGHT, largest)
    for batch in batches(chance.sample([*told, *told], 2 * len(told)), chance):
        world.tell(batch)
        if chance.random() < 0.2:
            world.settled()
    assert world.settled() == at_once
    assert_map_says(map_of(chance.sample(world.heard, len(world.heard))), at_once)


@thorough
@given(histories())
def test_limits_always_hold(told: list[Input]) -> None:
    case = case_of(told, TIGHT)
    graph = draw(case, None, {})
    first_seen = dict(zip(graph.keys, graph.times(), strict=True))
    for members in people_of(resolve(case)):
        for type_ in case.rules.types.values():
            of_type = {key for key in members if (known := case.type_of(key)) and known.name == type_.name}
            if type_.per_person is not None and len(of_type) > 1:
                assert not crowded([first_seen[key] for key in of_type], type_.per_person)


@thorough
@given(histories())
def test_no_person_spans_a_forbidden_pair(told: list[Input]) -> None:
    case = case_of(told, TIGHT)
    found = resolve(case)
    for a, b in case.forbidden():
        assert not {found.person_of(a)} & {found.person_of(b)}
        whose = {key: {person for (one, _), person in places(found).items() if one == key} for key in (a, b)}
        assert not (whose[a] | {found.person_of(a)}) & (whose[b] | {found.person_of(b)})


@thorough
@given(histories())
def test_what_is_blocked_or_shared_joins_nobody(told: list[Input]) -> None:
    found = resolve(case_of(told, TIGHT))
    for key in found.marks:
        assert key not in found.people
        assert key not in found.people.values()


@thorough
@given(histories(), st.sampled_from(UNDONE), two)
def test_undoing_a_decision_restores_every_id(
    told: list[Input], kinds: tuple[AboutTwo, AboutTwo], about: list[str]
) -> None:
    decide, undo = kinds
    decided, undone = decide(*about)(4000 * HOUR, b"decision"), undo(*about)(4001 * HOUR, b"undone")
    assert isinstance(decided, Decision)
    without = [one for one in told if not isinstance(one, Decision) or {*subjects(one)} != {*subjects(decided)}]
    assert resolve(case_of([*without, decided, undone], TIGHT)) == resolve(case_of(without, TIGHT))


@thorough
@given(histories(), st.integers(1, 4), st.randoms(use_true_random=False))
def test_evidence_folded_apart_and_combined_is_evidence_folded_at_once(
    told: list[Input], parts: int, chance: random.Random
) -> None:
    sightings = [one for one in told if isinstance(one, Sighting)]
    folded = [Evidence() for _ in range(parts)]
    for one in chance.sample(sightings, len(sightings)):
        combine(chance.choice(folded), observed(one))
    together = Evidence()
    for part in folded:
        combine(together, part)
    assert together == case_of(sightings).evidence


@thorough
@given(histories())
def test_seeing_the_same_twice_changes_nobody(told: list[Input]) -> None:
    case = case_of(told, TIGHT)
    twice = Evidence()
    combine(twice, case.evidence)
    combine(twice, case.evidence)
    assert resolve(Case(twice, case.decisions, case.rules, case.screened)) == resolve(case)


def people_of(found: Resolution) -> list[set[Key]]:
    """The identifiers of each person of several, those included that are theirs for a time."""
    people: dict[bytes, set[Key]] = {}
    for (key, span), person in places(found).items():
        if span == WHOLE or found.spans[key, span].to == key:
            people.setdefault(person, set()).add(key)
    for person, members in people.items():
        members.add(person)
    return list(people.values())
