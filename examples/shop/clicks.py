"""The shop's clicks as the wheel of retentioneering brings them: a gzipped CSV file, read without importing it."""

import csv
import gzip
from collections.abc import Iterator
from datetime import datetime
from importlib.metadata import distribution
from io import TextIOWrapper
from pathlib import Path
from typing import Final, NamedTuple

DATA: Final = Path(str(distribution("retentioneering").locate_file("retentioneering"))) / "datasets" / "ecom.csv.gz"

CHECKOUT_BUG: Final = "checkout_bug"
PAYMENT_ERROR: Final = "payment_error"
MARKERS: Final = frozenset({CHECKOUT_BUG, PAYMENT_ERROR})
"""Where the authors planted a fault. No shop sees these; they are what our findings are held against."""


class Click(NamedTuple):
    """A row, and its number in the file; `at` is in no zone."""

    number: int
    user: str
    session: str
    event: str
    at: datetime
    platform: str
    channel: str
    cohort: str


def clicks(users: int | None = None) -> Iterator[Click]:
    """Rows of the first so many users, or of all, in the order of time."""
    last = f"user_{users - 1:04d}" if users is not None else "user_9999"
    return iter(sorted((one for one in _rows() if one.user <= last), key=lambda one: (one.at, one.number)))


def _rows() -> Iterator[Click]:
    with gzip.open(DATA) as file, TextIOWrapper(file, encoding="utf-8", newline="") as text:
        rows = csv.reader(text)
        next(rows)
        for number, (user, session, event, at, platform, channel, cohort, _) in enumerate(rows, start=1):
            yield Click(number, user, session, event, datetime.fromisoformat(at), platform, channel, cohort)
