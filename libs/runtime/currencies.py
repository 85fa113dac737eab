"""Currencies of ISO 4217."""

from typing import Final

# Digits after the point where they are not two: ISO 4217 list one, kept by the maintenance agency at six-group.com.
_EXPONENTS: Final = {
    **dict.fromkeys(("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG"), 0),
    **dict.fromkeys(("RWF", "UGX", "UYI", "VND", "VUV", "XAF", "XOF", "XPF"), 0),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
    **dict.fromkeys(("CLF", "UYW"), 4),
}
_TWO: Final = 2


def exponent_of(currency: str) -> int:
    """Digits after the point of an ISO 4217 currency."""
    return _EXPONENTS.get(currency, _TWO)
