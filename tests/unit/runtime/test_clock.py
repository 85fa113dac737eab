import time

from libs.runtime.clock import SECOND, ManualClock, SystemClock


def test_the_system_clock_shows_microseconds_since_1970() -> None:
    assert abs(SystemClock().now() - time.time() * SECOND) < 5 * SECOND


def test_a_manual_clock_stands_until_it_is_moved() -> None:
    clock = ManualClock(100)
    assert (clock.now(), clock.now()) == (100, 100)
    clock.advance(-30)
    assert clock.now() == 70
    clock.set(5)
    assert clock.now() == 5
