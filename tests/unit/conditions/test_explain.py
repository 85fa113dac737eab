from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from libs.conditions import batch
from libs.conditions.calendar import Zones
from libs.conditions.event import Event
from libs.conditions.explain import Explained, Short, explain, why
from libs.conditions.numbers import SCALE, Bound
from libs.conditions.standing import NOBODY, Standing
from libs.conditions.tree import All, Amount, AnyOf, Condition, Did, Not, Sequence
from libs.conditions.windows import HOUR
from libs.conditions.yaml_form import read_condition
from tests.unit.conditions.randomly import (
    ZONES,
    conditions,
    dids,
    edge_moments,
    edge_values,
    histories,
    moments,
    names,
    sequences,
    standings,
    starts,
)

DAY = 24 * HOUR
NOON = 1_795_320_000_000_000  # 2026-11-22T04:00:00Z, noon in Shanghai
SHANGHAI = "Asia/Shanghai"


def event(name: str, ago: int, **properties: object) -> Event:
    return Event(id=f"{name}-{ago}".encode(), name=name, occurred_at=NOON - ago, properties=properties)


def explained(text: str, *events: Event, standing: Standing = NOBODY) -> Explained:
    return explain(read_condition(text), events, standing, NOON, SHANGHAI)


def test_what_is_short_of_a_bound_says_by_how_much() -> None:
    spent = "did: {event: bought, sum: {of: total, at_least: 500}, within: 90d}"
    one = explained(spent, event("bought", DAY, total=380.5), event("bought", 100 * DAY, total=900))
    assert (one.holds, one.value, one.flip, one.changes_at) == (False, 380.5, Short(119.5), None)


def test_what_holds_says_what_it_has_to_spare_and_when_time_will_end_it() -> None:
    one = explained("did: {event: viewed, times: 2, within: 36h}", *(event("viewed", n * HOUR) for n in (1, 5, 20)))
    assert (one.holds, one.value, one.flip) == (True, 3, Short(-1, beyond=True))
    assert one.changes_at == NOON - 5 * HOUR + 36 * HOUR
    assert len(one.events) == 3


def test_each_part_has_its_path_and_its_own_answer() -> None:
    text = "all: [{tag: vip}, {any: [{did: {event: bought}}, {did_not: {event: viewed, within: 1d}}]}]"
    one = explained(text, event("bought", DAY))
    assert (one.holds, [part.holds for part in one.parts]) == (False, [False, True])
    bought, not_viewed = one.parts[1].parts
    assert (bought.path, bought.holds, bought.events) == ("all[1].any[0]", True, (f"bought-{DAY}".encode(),))
    assert (not_viewed.path, not_viewed.parts[0].path) == ("all[1].any[1]", "all[1].any[1].did_not")


def test_an_abandoned_cart_names_the_carting_and_the_moment_at_which_it_began_to_count() -> None:
    text = "sequence: {first: carted, then_not: bought, waited: 1h, same: sku, during: 3d}"
    waiting = explained(text, event("carted", HOUR // 2, sku="a"))
    assert (waiting.holds, waiting.changes_at) == (False, NOON + HOUR // 2)
    left = explained(text, event("carted", 2 * HOUR, sku="a"), event("bought", HOUR, sku="b"))
    assert (left.holds, left.events) == (True, (f"carted-{2 * HOUR}".encode(),))


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(data=st.data())
def test_an_explanation_tells_of_every_part_what_the_history_does(data: st.DataObject) -> None:
    start, zone = data.draw(starts), data.draw(st.sampled_from(ZONES))
    condition, events, now = data.draw(conditions), data.draw(histories(start)), data.draw(moments(start, 20))
    standing = data.draw(standings({"city": "red", "born": "2000-02-29"}))

    def compare(one: Explained) -> None:
        assert one.holds == batch.answer(one.condition, events, standing, now, Zones(zone)).holds
        for part in one.parts:
            compare(part)

    compare(explain(condition, events, standing, now, zone))


def rises_with_events(condition: Condition) -> bool:
    """Whether taking events away can only make it stop holding, as far as windows stay where they are."""
    match condition:
        case All(parts) | AnyOf(parts):
            return all(map(rises_with_events, parts))
        case Did(_, _, _, Amount(measure, _, bound, per)):
            low = bound is None or (bound.low or 0) > 0
            return low and (per is None or (measure in {"count", "max"} and (bound is None or bound.high is None)))
        case Sequence(negated=negated):
            return not negated
        case _:
            return False


edges = st.builds(Did, names, st.just(()), st.none(), st.one_of(edge_moments(), edge_values))
positive = st.recursive(
    st.one_of(dids, sequences()).filter(rises_with_events),
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=2).map(lambda parts: All(tuple(parts))),
        st.lists(inner, min_size=1, max_size=2).map(lambda parts: AnyOf(tuple(parts))),
    ),
    max_leaves=3,
)


# What was first or last, and what was not followed, may come to hold when the events of another branch are gone: such
# leaves are tried alone.
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_without_the_events_named_for_every_true_branch_it_would_not_hold(data: st.DataObject) -> None:
    start, zone = data.draw(starts), data.draw(st.sampled_from(ZONES))
    condition, events = data.draw(st.one_of(positive, edges)), data.draw(histories(start))
    now = max([start, *(one.occurred_at for one in events)])
    one = explain(condition, events, NOBODY, now, zone)
    assume(one.holds)
    named = why(one)
    left = [event for event in events if event.id not in named]
    assert not batch.answer(condition, left, NOBODY, now, Zones(zone)).holds


def test_what_holds_because_something_did_not_happen_names_no_event() -> None:
    one = explained("did_not: {event: bought}", event("viewed", DAY))
    assert isinstance(one.condition, Not)
    assert (one.holds, why(one)) == (True, frozenset())


def test_a_bound_that_is_reached_exactly_flips_beyond_it() -> None:
    did = Did(("viewed",), (), None, Amount("count", None, Bound(None, 2 * SCALE)))
    one = explain(did, [event("viewed", HOUR), event("viewed", DAY)], NOBODY, NOON, SHANGHAI)
    assert (one.holds, one.flip) == (True, Short(0, beyond=True))
