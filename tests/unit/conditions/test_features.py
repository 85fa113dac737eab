"""What is kept comes back as it was stored."""

from typing import Any

from libs.conditions.features import Features, decode, encode, fingerprint

SECTIONS: dict[int, dict[int, Any]] = {7: {1: {20_000: 3}, 2: [[5, "a", 1]]}, 8: {3: {20_000: {"a": 1}}}}


def test_what_is_kept_comes_back_as_it_was_stored() -> None:
    kept = decode(encode(Features(SECTIONS)))
    assert dict(kept.all_sections()) == SECTIONS
    assert encode(kept) == encode(Features(SECTIONS))


def test_a_change_after_storing_is_stored_by_the_next() -> None:
    kept = decode(encode(Features(SECTIONS)))
    kept.own_section(7)[1] = {20_001: 1}
    encode(kept)
    kept.own_section(7)[1] = {20_002: 1}
    kept.own_section(9)[4] = [1, 2]
    again = decode(encode(kept))
    assert dict(again.all_sections()) == {**SECTIONS, 7: {**SECTIONS[7], 1: {20_002: 1}}, 9: {4: [1, 2]}}
    assert fingerprint(again) == fingerprint(kept)


def test_looking_at_what_no_event_touched_keeps_nothing() -> None:
    kept = Features()
    assert kept.sections[5].get(1) is None
    assert not kept
    assert not dict(decode(encode(kept)).all_sections())


def test_numbers_beyond_64_bits_come_back() -> None:
    kept = Features({7: {1: {20_000: 2**70}}})
    assert dict(decode(encode(kept)).all_sections()) == {7: {1: {20_000: 2**70}}}
