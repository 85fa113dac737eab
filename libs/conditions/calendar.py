"""Days as people live them: of the tenant's zone, and of each person's own."""

from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from libs.runtime.clock import SECOND, Micros
from libs.runtime.errors import InvalidArgument

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_DAY: Final = datetime(1970, 1, 1).toordinal()  # noqa: DTZ001  a date, in no zone
# Every offset in use is a multiple of 15 minutes, so within such a slot the day and the hour can't change.
_SLOT: Final = 900 * SECOND
_KEPT: Final = 65_536


class Calendar:
    """The days of one zone, counted from 1970-01-01 by the clocks on the wall, summer time included."""

    __slots__ = ("_days", "_hours", "_starts", "zone")

    def __init__(self, zone: str) -> None:
        """`zone` is an IANA name; raises `InvalidArgument` if there is no such."""
        try:
            self.zone = ZoneInfo(zone)
        except (KeyError, ValueError, OSError):  # an unknown name, one that leads out of the folder, or to a folder
            raise InvalidArgument("zone", f"{zone!r} is no time zone") from None
        self._days: dict[int, int] = {}
        self._hours: dict[int, int] = {}
        self._starts: dict[int, Micros] = {}

    def day(self, at: Micros) -> int:
        """Day of a moment."""
        slot = at // _SLOT
        found = self._days.get(slot)
        if found is None:
            if len(self._days) >= _KEPT:
                self._days.clear()
            found = self._days[slot] = self._local(slot).toordinal() - _FIRST_DAY
        return found

    def hour(self, at: Micros) -> int:
        """Hour of a moment by the clocks on the wall, 0 to 23."""
        slot = at // _SLOT
        found = self._hours.get(slot)
        if found is None:
            if len(self._hours) >= _KEPT:
                self._hours.clear()
            found = self._hours[slot] = self._local(slot).hour
        return found

    def start_of(self, day: int) -> Micros:
        """The moment at which a day begins; where clocks skip midnight, the moment of the leap."""
        found = self._starts.get(day)
        if found is None:
            if len(self._starts) >= _KEPT:
                self._starts.clear()
            midnight = datetime.fromordinal(_FIRST_DAY + day).replace(tzinfo=self.zone)
            found = self._starts[day] = (midnight - _EPOCH) // timedelta(microseconds=1)
        return found

    def _local(self, slot: int) -> datetime:
        return (_EPOCH + timedelta(microseconds=slot * _SLOT)).astimezone(self.zone)


class Zones:
    """The tenant's calendar, and those of persons; `fallbacks` counts how often one's zone was none."""

    __slots__ = ("_known", "fallbacks", "tenant")

    def __init__(self, tenant: str) -> None:
        """`tenant` is the tenant's IANA zone; raises `InvalidArgument` if there is no such."""
        self.tenant = Calendar(tenant)
        self._known: dict[str, Calendar | None] = {"": self.tenant}
        self.fallbacks = 0

    def of(self, zone: str) -> Calendar:
        """The calendar of a person's zone: the tenant's where it is unknown (empty), or, counted, where it is none."""
        if zone not in self._known:
            if len(self._known) >= _KEPT:
                self._known = {"": self.tenant}
            try:
                self._known[zone] = Calendar(zone)
            except InvalidArgument:
                self._known[zone] = None
        found = self._known[zone]
        if found is None:
            self.fallbacks += 1
            return self.tenant
        return found
