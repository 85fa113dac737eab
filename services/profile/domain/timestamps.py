"""Times as producers write them, read into microseconds since 1970 UTC."""

from datetime import UTC, datetime, tzinfo
from typing import Final

from libs.runtime.clock import Micros

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

EARLIEST: Final[Micros] = -2_208_988_800_000_000
"""1900-01-01T00:00:00Z: what claims to be older is a broken clock or an empty field, not a customer."""


def read_time(text: str, zone: tzinfo) -> Micros | None:
    """Read ISO 8601 or RFC 3339 text; None for what is neither, or lies before `EARLIEST`.

    A time without an offset is one of `zone`, and a date alone is its midnight. Of an hour that the zone repeats the
    first is meant; an hour that it skips is read with the offset from before. Digits past the microsecond are cut.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        if not text.endswith("z"):  # RFC 3339 allows the lower case, fromisoformat does not
            return None
        return read_time(text[:-1] + "Z", zone)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone)
    since = moment - _EPOCH
    micros = (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds  # a float would lose them
    return micros if micros >= EARLIEST else None
