"""Rows come back as they went in."""

from hypothesis import given
from hypothesis import strategies as st

from libs.people.spans import AtTimes, ByIdentifier, BySession
from services.identity.codec.evidence import (
    pack_cut,
    pack_refusals,
    pack_sight,
    pack_together,
    unpack_cut,
    unpack_refusals,
    unpack_sight,
    unpack_together,
)
from services.identity.domain.evidence import Sight, Together
from services.identity.domain.refusal import Refusal

KEYS = st.binary(min_size=16, max_size=16)
TIMES = st.integers(-(2**62), 2**62)
SIGHTS = st.builds(Sight, TIMES, KEYS, TIMES, st.text(max_size=9), st.text(max_size=9))
PROOFS = st.lists(SIGHTS, max_size=3).map(tuple)
TOGETHER = st.builds(Together, SIGHTS, SIGHTS, st.integers(1, 2**40), st.tuples(PROOFS, PROOFS))
CUTS = st.one_of(
    st.just(BySession()), st.just(ByIdentifier()), st.lists(TIMES, min_size=1).map(lambda times: AtTimes(tuple(times)))
)
REFUSALS = st.builds(
    Refusal,
    st.tuples(KEYS, KEYS),
    TIMES,
    KEYS,
    st.sampled_from(["FORBIDDEN", "TOO_MANY", "SHARED", "BLOCKED", "UNLINKED", "UNKNOWN_TYPE"]),
    st.lists(KEYS, max_size=2).map(tuple),
    st.text(max_size=9),
)


@given(TOGETHER)
def test_what_is_known_of_a_pair_comes_back(together: Together) -> None:
    assert unpack_together(pack_together(together)) == together


@given(SIGHTS)
def test_a_pair_seen_once_keeps_one_sight(sight: Sight) -> None:
    once = Together(sight, sight)
    assert unpack_together(pack_together(once)) == once
    assert len(pack_together(once)) < len(pack_sight(sight)) + 20


@given(SIGHTS)
def test_a_login_comes_back(sight: Sight) -> None:
    assert unpack_sight(pack_sight(sight)) == sight


@given(CUTS)
def test_a_cut_comes_back(cut: BySession | ByIdentifier | AtTimes) -> None:
    assert unpack_cut(pack_cut(cut)) == cut


@given(st.lists(REFUSALS, max_size=3).map(tuple))
def test_refusals_come_back(refusals: tuple[Refusal, ...]) -> None:
    assert unpack_refusals(pack_refusals(refusals)) == refusals
