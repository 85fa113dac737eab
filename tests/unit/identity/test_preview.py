"""What is foretold of other rules or decisions is what happens then."""

from hypothesis import given

from libs.people.identifiers import IdentifierRules, PerPerson
from libs.runtime.clock import Micros
from services.identity.domain.changes import IdentifierMoved, PersonsMerged, PersonsSplit
from services.identity.domain.preview import Preview, preview
from services.identity.domain.resolution import resolve
from services.identity.domain.standing import Case
from tests.support.identity import (
    Input,
    RulesPublished,
    Statement,
    World,
    case_of,
    inputs,
    key,
    publish,
    rules,
    seen,
)
from tests.support.identity_histories import LOOSER, TIGHT, TIGHTER, histories, thorough

ONE_OPENID = rules(version=1, openid={"per_person": PerPerson(1)})


def foretold(statements: list[Statement], other: IdentifierRules, sample: int = 20) -> Preview:
    case = case_of(inputs(*statements))
    return preview(case, resolve(case), resolve(_by(case, other)), sample)


def _by(case: Case, other: IdentifierRules) -> Case:
    return Case(case.evidence, case.decisions, other, case.screened)


def test_rules_that_change_nobody_change_nothing() -> None:
    assert foretold([seen("u1", "p1")], rules(version=1)) == Preview(0, 0, 0, 0)


def test_a_tightened_rule_is_foretold_to_split() -> None:
    two_of_one = [seen("o1", "p1"), seen("o2", "p2"), seen("p1", "p2")]
    split = PersonsSplit(key("o1"), (key("o1"), key("o2")), b"")
    # p2 and o2 are no longer o1's.
    assert foretold(two_of_one, ONE_OPENID) == Preview(0, 1, 2, 0, (split,))


def test_a_loosened_rule_is_foretold_to_merge() -> None:
    merged = PersonsMerged(key("u1"), (key("u1"), key("u2")), b"")
    two = [seen("u1", "p1"), seen("u2", "p2"), seen("p1", "p2")]
    assert foretold(two, rules(version=1, user_id={"per_person": None})) == Preview(1, 0, 2, 0, (merged,))


def test_a_device_that_would_become_shared_is_counted_and_one_that_no_longer_is_too() -> None:
    at_home = [seen("u1", "d1"), seen("u2", "d1")]
    strict = rules(version=1, device_id={"people": 1})
    split = PersonsSplit(key("u1"), (key("d1"), key("u1")), b"")
    assert foretold(at_home, strict) == Preview(0, 1, 1, 1, (split,))
    case = Case(case_of(inputs(*at_home)).evidence, case_of([]).decisions, strict)
    assert preview(case, resolve(case), resolve(_by(case, rules(version=2)))).shared == -1


def test_the_sample_shows_the_first_of_each() -> None:
    pairs = [seen(f"u{n}", f"p{n}") for n in range(9)]
    bridges = [seen(f"p{n}", f"p{n + 1}") for n in range(0, 8, 2)]
    found = foretold([*pairs, *bridges], rules(version=1, user_id={"per_person": None}), sample=2)
    assert (found.merged, len(found.sample)) == (4, 2)


@thorough
@given(histories())
def test_what_is_foretold_of_rules_is_what_is_heard_when_they_are_published(said: list[Input]) -> None:
    before = [one for one in said if not isinstance(one, RulesPublished)]
    for other in (TIGHTER, LOOSER):
        case = case_of(before, TIGHT)
        told = preview(case, resolve(case), resolve(_by(case, other)))
        world = World(TIGHT)
        world.tell(before)
        world.settled()
        heard = len(world.heard)
        world.tell([_published(other)])
        world.settled()
        now = world.heard[heard:]
        assert told.moved == len([one for one in now if isinstance(one, IdentifierMoved)])
        assert told.merged == len([one for one in now if isinstance(one, PersonsMerged)])
        assert told.split == len([one for one in now if isinstance(one, PersonsSplit)])


def _published(other: IdentifierRules, now: Micros = 0) -> Input:
    return publish(other)(now, b"")
