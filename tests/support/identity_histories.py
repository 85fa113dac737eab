"""Whatever may happen to identities, for hypothesis to choose from: few names, few days, and everything contradicts."""

from hypothesis import settings
from hypothesis import strategies as st

from libs.people.identifiers import DAY, PerPerson
from tests.support.identity import (
    Input,
    Retracted,
    Statement,
    allow,
    block,
    forbid,
    inputs,
    leave,
    link,
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
    device_id={"per_person": PerPerson(2, 3 * DAY), "people": 2},
    cookie={"people": 2, "validity": 3 * DAY},
)
TIGHTER = rules(version=1, openid={"per_person": PerPerson(1)}, phone={"people": 1}, device_id={"people": 1})
LOOSER = rules(version=2, shared="apart", user_id={"per_person": PerPerson(2)})

NAMES = ["u1", "u2", "u3", "o1", "o2", "n1", "n2", "p1", "p2", "e1", "d1", "d2", "c1", "c2", "k1"]
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
