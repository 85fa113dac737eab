"""Days and hours as a tenant's customers live them."""

from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from libs.runtime.clock import SECOND, Micros

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_DAY: Final = datetime(1970, 1, 1).toordinal()  # noqa: DTZ001  a date, in no zone
# Every offset in use is a multiple of 15 minutes, so within such a slot the local hour can't change. Offsets of
# local mean time, before zones were introduced, are not: there a slot takes the hour of its start.
_SLOT: Final = 900 * SECOND
_SLOTS_KEPT: Final = 65_536


class Calendar:
    """The days and hours of one time zone, and the currency that is meant where none is named.

    A day is counted from 1970-01-01, an hour of the week from Monday 0:00 (0 … 167), both by the clocks on the wall,
    summer time included. Asking the zone takes microseconds, so answers are kept by quarter of an hour.
    """

    __slots__ = ("_places", "_starts", "currency", "zone")

    def __init__(self, zone: str, currency: str) -> None:
        """`zone` is an IANA name; raises `ZoneInfoNotFoundError` if there is no such."""
        self.zone = ZoneInfo(zone)
        self.currency = currency
        self._places: dict[int, tuple[int, int]] = {}
        self._starts: dict[int, Micros] = {}

    def place(self, at: Micros) -> tuple[int, int]:
        """Day and hour of the week of a moment."""
        slot = at // _SLOT
        found = self._places.get(slot)
        return found if found is not None else self._look_up(slot)

    def day(self, at: Micros) -> int:
        """Day of a moment."""
        return self.place(at)[0]

    def start_of(self, day: int) -> Micros:
        """The moment at which a day begins."""
        found = self._starts.get(day)
        if found is None:
            midnight = datetime.fromordinal(_FIRST_DAY + day).replace(tzinfo=self.zone)
            found = self._starts[day] = (midnight - _EPOCH) // timedelta(microseconds=1)
            if len(self._starts) > _SLOTS_KEPT:
                self._starts.clear()
        return found

    def _look_up(self, slot: int) -> tuple[int, int]:
        local = (_EPOCH + timedelta(microseconds=slot * _SLOT)).astimezone(self.zone)
        place = local.toordinal() - _FIRST_DAY, local.weekday() * 24 + local.hour
        if len(self._places) >= _SLOTS_KEPT:
            self._places.clear()
        self._places[slot] = place
        return place
