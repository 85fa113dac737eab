"""Who is new and comes with one known identifier: that this is told without resolving anybody, and rightly."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.identity.domain.evidence import Sighting, observed
from services.identity.domain.knowledge import Knowledge, News
from services.identity.domain.leaves import leaves
from services.identity.domain.resolution import resolve
from services.identity.domain.standing import Case
from tests.support.identity import HOUR, Input, Statement, block, case_of, inputs, key, link, logged_in, name, seen
from tests.support.identity_histories import NAMES, TIGHT, histories, thorough

AFTER = 5000 * HOUR
BEFORE = 100 * HOUR
KNOWN = [seen("u1", "p1", verified="p1"), seen("u1", "d1")]


def leaves_of(case: Case, last: Input) -> dict[str, str]:
    """The leaves, each with its neighbour, of a sighting after everything else."""
    assert isinstance(last, Sighting)
    known, found = Knowledge(), resolve(case)
    known.hold(case.evidence, case.decisions)
    new = observed(last)
    both = {key_: min(seen_, case.evidence.seen.get(key_, seen_)) for key_, seen_ in new.seen.items()}
    strange = found.marks.keys() | found.cuts.keys() | case.screened
    joined = leaves(known, News(both, new.pairs, new.logins), case.rules, lambda one: one not in strange)
    whose = {(one, found.person_of(one)) for one in {*case.evidence.seen, *case.decisions.types}}
    whose |= {(one, tied.person) for (one, _), tied in found.spans.items()}
    had = Counter(person for one, person in whose if name(one)[0] in "dk")
    return {name(leaf): name(stem) for leaf, stem in joined.fitting(found.person_of, had).items()}


@thorough
@given(
    histories(),
    st.sampled_from(["a9", "c9", "t9", "d9", "u9"]),
    st.sampled_from(NAMES),
    st.integers(1, 12),
    st.sampled_from([BEFORE, AFTER]),
)
def test_whose_a_leaf_is_and_nothing_else_is_what_resolving_everybody_would_find(
    told: list[Input], new: str, known: str, day: int, recorded_at: int
) -> None:
    last = seen(new, known, day=day, verified=new, session="s1", login=True)(recorded_at, b"last")
    before = case_of(told, TIGHT)
    expected = resolve(before)
    found = leaves_of(before, last)
    if found:
        expected.people.update({key(leaf): expected.person_of(key(stem)) for leaf, stem in found.items()})
        assert resolve(case_of([*told, last], TIGHT)) == expected


@pytest.mark.parametrize("last", [seen("c1", "u1"), seen("u1", "a1", day=1), logged_in("c1", "u1", session="s1")])
def test_another_browser_of_a_known_customer_is_a_leaf(last: Statement) -> None:
    assert set(leaves_of(case_of(inputs(*KNOWN)), last(AFTER, b"last")).values()) == {"u1"}


def test_another_device_of_a_known_customer_is_a_leaf_unless_it_is_one_too_many() -> None:
    (last,) = inputs(seen("d9", "u1"), first=3000)
    devices = [seen("u1", f"d{number}") for number in range(2)]
    assert leaves_of(case_of(inputs(*devices[:1]), TIGHT), last) == {"d9": "u1"}
    assert leaves_of(case_of(inputs(*devices), TIGHT), last) == {}


@pytest.mark.parametrize(
    ("last", "recorded_at"),
    [
        pytest.param(seen("e2", "u1"), AFTER, id="an address, of which nobody has any number"),
        pytest.param(seen("c1", "p1"), AFTER, id="beside a phone, which may pass on"),
        pytest.param(seen("c1", "u2"), AFTER, id="beside somebody as new"),
        pytest.param(seen("c1", "u1", "p1"), AFTER, id="with two others"),
        pytest.param(seen("c1", "u1"), BEFORE, id="recorded before all others, so that it founds the person"),
        pytest.param(seen("p1", "u1"), AFTER, id="not new"),
        pytest.param(seen("c3", "u1"), AFTER, id="blocked"),
        pytest.param(seen("c4", "u1"), AFTER, id="linked by hand"),
    ],
)
def test_whatever_may_change_more_is_none(last: Statement, recorded_at: int) -> None:
    case = case_of(inputs(*KNOWN, block("c3"), link("c4", "u7")))
    assert leaves_of(case, last(recorded_at, b"last")) == {}
