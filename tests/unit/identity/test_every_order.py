"""However the same inputs arrive, the people are the same."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from libs.people.identifiers import DAY, IdentifierRules, PerPerson
from services.identity.domain.resolution import resolve
from tests.support.identity import (
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
names = st.sampled_from(NAMES)
two = st.lists(names, min_size=2, max_size=2, unique=True)


@st.composite
def statements(draw: st.DrawFn) -> Statement:
    match draw(st.integers(0, 20)):
        case 0:
            return link(*draw(two))
        case 1:
            return unlink(*draw(two))
        case 2:
            return leave(*draw(two))
        case 3:
            return forbid(*draw(two))
        case 4:
            return allow(*draw(two))
        case 5:
            return block(draw(names))
        case 6:
            return unblock(draw(names))
        case 7:
            return draw(st.sampled_from([publish(TIGHTER, screened="k1"), publish(LOOSER, screened="u1 p1")]))
        case _:
            together = draw(st.lists(names, min_size=1, max_size=3, unique=True))
            return seen(
                *together,
                day=draw(st.integers(1, 12)),
                verified=" ".join(draw(st.sets(st.sampled_from(together)))),
                session=draw(st.sampled_from(["", "s1", "s2"])),
                login=draw(st.booleans()),
            )


@st.composite
def histories(draw: st.DrawFn) -> list[Input]:
    said = inputs(*draw(st.lists(statements(), min_size=1, max_size=25)))
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
