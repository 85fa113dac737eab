"""However the same facts arrive, the portrait is the same."""

import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.profile.domain.portrait import (
    AFFINITIES_KEPT,
    CONSENTS_KEPT,
    EVENTS_KEPT,
    Fact,
    Portrait,
    combine,
    overfull,
    trim,
)
from services.profile.domain.snapshot import decode, encode, fingerprint
from tests.support.interactions import DAY, NOON, fact, facts, folded, identified, tracked

thorough = settings(deadline=None, max_examples=80)
portraits = facts(max_size=6).map(folded)


@thorough
@given(facts(), st.randoms(use_true_random=False))
def test_the_order_of_delivery_cannot_be_seen(sent: list[Fact], rng: random.Random) -> None:
    # pitfall 32
    shuffled = rng.sample(sent, len(sent))
    assert fingerprint(folded(shuffled)) == fingerprint(folded(sent))


@thorough
@given(facts(), st.integers(1, 5), st.randoms(use_true_random=False))
def test_the_partition_into_states_cannot_be_seen(sent: list[Fact], parts: int, rng: random.Random) -> None:
    dealt: list[list[Fact]] = [[] for _ in range(parts)]
    for one in rng.sample(sent, len(sent)):
        rng.choice(dealt).append(one)
    states = [folded(part) for part in dealt]
    while len(states) > 1:  # any tree of combines
        rng.shuffle(states)
        states.append(combine(states.pop(), states.pop()))
    assert fingerprint(states[0]) == fingerprint(folded(sent))


@thorough
@given(facts(), st.integers(1, 4))
def test_storing_in_between_cannot_be_seen(sent: list[Fact], batch: int) -> None:
    portrait = Portrait()
    for start in range(0, len(sent), batch):
        portrait = decode(encode(combine(portrait, folded(sent[start : start + batch]))))
    assert fingerprint(portrait) == fingerprint(folded(sent))


@thorough
@given(portraits, portraits, portraits)
def test_combine_is_associative_and_commutative(a: Portrait, b: Portrait, c: Portrait) -> None:
    assert fingerprint(combine(a, b)) == fingerprint(combine(b, a))
    assert fingerprint(combine(combine(a, b), c)) == fingerprint(combine(a, combine(b, c)))


@thorough
@given(portraits)
def test_the_empty_portrait_is_the_identity(portrait: Portrait) -> None:
    assert fingerprint(combine(portrait, Portrait())) == fingerprint(portrait)
    assert fingerprint(combine(Portrait(), portrait)) == fingerprint(portrait)


@thorough
@given(portraits, portraits)
def test_combine_leaves_its_parts_as_they_were(a: Portrait, b: Portrait) -> None:
    before = fingerprint(a), fingerprint(b)
    both = combine(a, b)
    for known in both.affinities.values():
        for days in known.values():
            days[0] = 99
    for held in both.activity.values():
        held.days[0] = 99
    assert (fingerprint(a), fingerprint(b)) == before


@thorough
@given(facts(), st.sets(st.integers(0, 11)), st.randoms(use_true_random=False))
def test_folding_without_what_was_retracted_is_as_if_never_sent(
    sent: list[Fact], retracted: set[int], rng: random.Random
) -> None:
    standing = [one for i, one in enumerate(sent) if i not in retracted]
    ids = {one.event_id for one in standing}
    log = rng.sample(sent, len(sent))
    refolded = folded(one for one in log if one.event_id in ids)
    assert fingerprint(refolded) == fingerprint(folded(standing))


@thorough
@given(facts(max_size=8))
def test_different_facts_have_different_fingerprints(sent: list[Fact]) -> None:
    more = [*sent, fact(tracked("one_more"), NOON, "one more")]
    assert fingerprint(folded(more)) != fingerprint(folded(sent))


def _giant(i: int) -> dict[str, Any]:
    return tracked(
        "Order Completed" if i % 2 else "Product Viewed",
        {
            "product_id": f"p{i % 700}",
            "revenue": [2**53, 2**53 - 1, 0.285, 19.9][i % 4],
            "currency": "JPY",
            "products": [{"sku": f"s{i}-{line}"} for line in range(3)],
        },
        traits={f"trait {i}": i, "city": i},
        identifiers=[{"type": "device_id", "value": f"d{i % 300}", "verified": i % 3 == 0}],
        consents=[{"purpose": "p", "channel": "c", "address": f"a{i}", "state": ["granted", "denied"][i % 2]}],
    )


_GIANT = [fact(_giant(i), NOON + (i * 7919 % 1000) * DAY, f"g{i}") for i in range(2_500)]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_large_amounts_and_full_registers_commute(seed: int) -> None:
    rng = random.Random(seed)
    shuffled = rng.sample(_GIANT, len(_GIANT))
    at = rng.randrange(len(shuffled))
    parted = combine(folded(shuffled[:at]), folded(shuffled[at:]))
    assert fingerprint(parted) == fingerprint(folded(_GIANT))
    assert decode(encode(parted)) == parted


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_at_the_caps_a_refold_in_any_order_is_the_same(seed: int) -> None:
    # pitfall 32: floating sums and evictions hang on the order
    shuffled = random.Random(seed).sample(_GIANT, len(_GIANT))
    one, other = folded(_GIANT), folded(shuffled)
    assert overfull(one)
    trim(one)
    trim(other)
    assert fingerprint(one) == fingerprint(other)
    assert not overfull(one)
    assert len(one.affinities["item"]) == AFFINITIES_KEPT
    assert len(one.consents) == CONSENTS_KEPT
    assert one.trimmed == {"affinities.item": len(_GIANT), "consents": len(_GIANT)}


def test_a_full_section_keeps_the_largest_totals_and_of_equals_the_first() -> None:
    names = [f"event {i:05}" for i in range(EVENTS_KEPT * 2 + 1)]
    sent = [fact(tracked(name), NOON, name) for name in [*names, names[-1]]]
    portrait = folded(sent)
    trim(portrait)
    kept = sorted(portrait.activity)
    assert kept == [name.replace(" ", "_") for name in [*names[: EVENTS_KEPT - 1], names[-1]]]


def test_a_portrait_within_its_limits_is_not_trimmed() -> None:
    portrait = folded(_GIANT[:100])
    before = fingerprint(portrait)
    trim(portrait)
    assert fingerprint(portrait) == before
    assert portrait.trimmed == {}


def test_a_full_consent_section_forgets_grants_before_opt_outs() -> None:
    portrait = folded(_GIANT)
    opted_out = {key for key, register in portrait.consents.items() if register[1] > 0}
    trim(portrait)
    assert len(opted_out) > CONSENTS_KEPT
    assert set(portrait.consents) <= opted_out


@pytest.mark.parametrize("order", [list, reversed])
def test_an_older_import_after_newer_events_leaves_newer_traits(order: Callable[[list[Fact]], Any]) -> None:
    # pitfall 19
    newer = fact(identified({"city": "上海"}), NOON, "live")
    older = fact(identified({"city": "北京"}), NOON - 900 * DAY, "import")
    portrait = folded(order([newer, older]))
    assert portrait.traits["city", "app", False][2].decode() == '"上海"'
    assert portrait.last_seen == NOON
    assert portrait.first_seen == NOON - 900 * DAY
