"""Numbers as conditions count them: whole ten-thousandths, so that sums are exact and come out in any order."""

import re
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Any, Final

import msgspec

SCALE: Final = 10_000
"""What 1 is; more than four decimals are rounded, half to even."""

LARGEST: Final = 2**53
"""What claims more than this, 900,719,925,474.0992, is a mistake and not counted."""

_PLAIN: Final = 1e9  # beyond it the way there and back through a float proves nothing
_WRITTEN: Final = re.compile(r"-?[0-9]{1,18}(\.[0-9]{1,12})?").fullmatch
_EXACTLY: Final = Context(prec=60, rounding=ROUND_HALF_EVEN)


def fixed(said: Any) -> int | None:
    """A JSON number, or text such as "19.90", in ten-thousandths; None for what is neither, or absurdly large."""
    kind = type(said)
    if kind is int:
        number = said * SCALE
        return number if -LARGEST <= number <= LARGEST else None
    if kind is float and -_PLAIN < said < _PLAIN:
        number = round(said * SCALE)
        if number / SCALE == said:
            return int(number)
    return _rounded(said)


def shown(number: int, of: int = 1) -> int | float:
    """The number that `number / of` ten-thousandths are."""
    whole, rest = divmod(number, of * SCALE)
    return number / (of * SCALE) if rest else whole


def _rounded(said: Any) -> int | None:
    if type(said) is float:
        written = Decimal(repr(said))
        if not written.is_finite():
            return None
    elif type(said) is str and _WRITTEN(text := said.strip()):
        written = Decimal(text)
    else:
        return None
    if abs(written) > LARGEST:
        return None
    number = int(_EXACTLY.multiply(written, SCALE).to_integral_value(ROUND_HALF_EVEN, _EXACTLY))
    return number if -LARGEST <= number <= LARGEST else None


class Bound(msgspec.Struct, frozen=True, gc=False):
    """What a number must lie between, in ten-thousandths; an `open` end does not belong to it, None is no end."""

    low: int | None = None
    high: int | None = None
    low_open: bool = False
    high_open: bool = False

    def holds(self, number: int, of: int = 1) -> bool:
        """Whether `number / of` lies between the ends; nothing is divided, so an average is compared exactly."""
        low, high = self.low, self.high
        if low is not None and not (number > low * of if self.low_open else number >= low * of):
            return False
        return high is None or (number < high * of if self.high_open else number <= high * of)


ONCE: Final = Bound(low=SCALE)
