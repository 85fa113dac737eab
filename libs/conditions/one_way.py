"""Conditions that events can only lead one way, so that they need not be answered again after each."""

from libs.conditions.tree import All, Amount, AnyOf, Condition, Did, Moment, Not


def rises(condition: Condition) -> bool:
    """Whether what comes later can't end it once it holds, before the moment at which time may."""
    match condition:
        case All(parts) | AnyOf(parts):
            return all(rises(part) for part in parts)
        case Not(part):
            return falls(part)
        case Did(test=Amount("count", bound=bound, per=None)):
            return bound is None or bound.high is None
        case Did(test=Moment(edge="first")):
            return True
        case _:
            return False


def falls(condition: Condition) -> bool:
    """Whether what comes later can't make it hold once it does not, before the moment at which time may."""
    match condition:
        case All(parts) | AnyOf(parts):
            return all(falls(part) for part in parts)
        case Not(part):
            return rises(part)
        case Did(test=Amount("count", bound=bound, per=None)):
            return bound is not None and bound.low is None
        case _:
            return False
