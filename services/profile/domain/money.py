"""Amounts of money: decimal as producers write them, whole minor units inside."""

import re
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Final, Literal

LARGEST: Final = 2**53
"""Minor units in one amount; what claims more is a mistake, and beyond this floats skip whole numbers."""

# No two decimals of up to 15 digits share a float. A smaller one than this that is met again on the way back from whole
# minor units (13 digits) is therefore the decimal that it prints as, found in a tenth of the time.
_PLAIN: Final = 1e9

_WRITTEN: Final = re.compile(r"-?[0-9]{1,18}(\.[0-9]{1,12})?").fullmatch
_CODE: Final = re.compile(r"[A-Z]{3}").fullmatch
_EXACTLY: Final = Context(prec=100, rounding=ROUND_HALF_EVEN)  # more digits than any product below can have

Fault = Literal["AMOUNT_MISSING", "AMOUNT_UNREADABLE", "AMOUNT_ABSURD", "AMOUNT_NEGATIVE", "CURRENCY_UNREADABLE"]


class MoneyUnreadable(Exception):
    """An amount or a currency can't be understood."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault)
        self.fault: Fault = fault


def currency_code(said: object) -> str:
    """The three letters of a currency; raises `MoneyUnreadable`."""
    if isinstance(said, str):
        code = said.strip().upper()
        if _CODE(code):
            return code
    raise MoneyUnreadable("CURRENCY_UNREADABLE")


def minor_units(said: object, exponent: int) -> int:
    """A JSON number, or text such as "19.90", in minor units; raises `MoneyUnreadable`.

    A float means the shortest decimal that it prints as; what lies between two minor units goes to the even one.
    """
    scale: int = 10**exponent
    if type(said) is int:
        minor = said * scale
        if -LARGEST <= minor <= LARGEST:
            return minor
        raise MoneyUnreadable("AMOUNT_ABSURD")
    if type(said) is float and -_PLAIN < said < _PLAIN:
        minor = round(said * scale)
        if minor / scale == said:
            return minor
    return _whole(_decimal(said), exponent)


def minor_product(price: object, quantity: object, exponent: int) -> int:
    """Price of so many units, in minor units, rounded once; raises `MoneyUnreadable`."""
    if type(quantity) is int and quantity == 1:
        return minor_units(price, exponent)
    return _whole(_EXACTLY.multiply(_decimal(price), _decimal(quantity)), exponent)


def _decimal(said: object) -> Decimal:
    if type(said) is int:
        if -LARGEST <= said <= LARGEST:
            return Decimal(said)
        raise MoneyUnreadable("AMOUNT_ABSURD")
    if type(said) is float:
        written = Decimal(repr(said))
        if written.is_finite():
            return written
    elif type(said) is str and _WRITTEN(text := said.strip()):
        return Decimal(text)
    raise MoneyUnreadable("AMOUNT_UNREADABLE")


def _whole(amount: Decimal, exponent: int) -> int:
    minor = amount.scaleb(exponent, _EXACTLY)
    if not -LARGEST <= minor <= LARGEST:
        raise MoneyUnreadable("AMOUNT_ABSURD")
    return int(minor.to_integral_value(ROUND_HALF_EVEN, _EXACTLY))
