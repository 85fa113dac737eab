from hypothesis import given
from hypothesis import strategies as st

from libs.people.generations import Generations


def test_what_is_in_use_stays() -> None:
    kept: Generations[int, str] = Generations(10)
    kept.put(0, "zero")
    for other in range(1, 100):
        kept.put(other, "other")
        assert kept.get(0) == "zero"


def test_what_is_no_longer_in_use_goes() -> None:
    kept: Generations[int, str] = Generations(10)
    kept.put(0, "zero")
    for other in range(1, 11):
        kept.put(other, "other")
    assert kept.get(0) is None


@given(st.integers(2, 20), st.lists(st.tuples(st.booleans(), st.integers(0, 40))))
def test_it_never_exceeds_its_size_and_never_answers_wrongly(size: int, calls: list[tuple[bool, int]]) -> None:
    kept: Generations[int, int] = Generations(size)
    for write, key in calls:
        if write:
            kept.put(key, key * 10)
        else:
            assert kept.get(key) in {None, key * 10}
        assert len(kept) <= size
