"""What a change of mind about who is who means for others: the events of the identity log."""

from collections.abc import Iterable, Mapping

import msgspec

from libs.people.spans import WHOLE, Cut, Span, own_id
from services.identity.domain.evidence import Key
from services.identity.domain.naming import PersonId
from services.identity.domain.resolution import Resolution


class IdentifierMoved(msgspec.Struct, frozen=True, gc=False):
    """An identifier, or a span of it, now belongs to another person; `version` orders the moves of one identifier."""

    identifier: Key
    span: Span
    from_person: PersonId
    to_person: PersonId
    version: int
    cause: bytes


class AnchorCut(msgspec.Struct, frozen=True, gc=False):
    """What is filed under an identifier is to be folded anew, by other spans than before; None makes it whole again."""

    anchor: Key
    cut: Cut | None
    version: int
    cause: bytes


class PersonsMerged(msgspec.Struct, frozen=True, gc=False):
    """These turned out to be one person, for people to read: consumers go by the moves."""

    into: PersonId
    merged: tuple[PersonId, ...]
    cause: bytes


class PersonsSplit(msgspec.Struct, frozen=True, gc=False):
    """One person turned out to be these, for people to read: consumers go by the moves."""

    person: PersonId
    into: tuple[PersonId, ...]
    cause: bytes


IdentityChange = IdentifierMoved | AnchorCut | PersonsMerged | PersonsSplit


def changes(
    before: Resolution, after: Resolution, versions: Mapping[Key, int], cause: bytes
) -> list[IdentifierMoved | AnchorCut]:
    """What leads from one resolution of a neighbourhood to another of the same; cuts come before moves of their spans.

    `versions` are the last ones given out; whatever changes of one identifier gets the next one.
    """
    cuts = [
        AnchorCut(key, after.cuts.get(key), versions.get(key, 0) + 1, cause)
        for key in sorted(before.cuts.keys() | after.cuts.keys())
        if before.cuts.get(key) != after.cuts.get(key)
    ]
    was, now = places(before), places(after)
    moves = [
        IdentifierMoved(key, span, old, new, versions.get(key, 0) + 1, cause)
        for key, span in sorted(was.keys() | now.keys())
        if (old := was.get((key, span)) or own_id(key, span)) != (new := now.get((key, span)) or own_id(key, span))
    ]
    return [*cuts, *moves]


def places(found: Resolution) -> dict[tuple[Key, Span], PersonId]:
    """Every identifier and span that is another's person's."""
    return {
        **{(key, WHOLE): person for key, person in found.people.items()},
        **{place: tied.person for place, tied in found.spans.items()},
    }


def regrouped(
    before: Resolution, after: Resolution, known: Iterable[Key], cause: bytes
) -> list[PersonsMerged | PersonsSplit]:
    """Which people became one and which became several.

    `known` are the identifiers to go by: all that a change touched, because the parts of a person who splits are
    neighbours no more, but not those that are new. That somebody's first device is theirs is no merge of two people.
    """
    merged: dict[PersonId, set[PersonId]] = {}
    split: dict[PersonId, set[PersonId]] = {}
    for key in known:
        old, new = before.person_of(key), after.person_of(key)
        merged.setdefault(new, set()).add(old)
        split.setdefault(old, set()).add(new)
    return [
        *(PersonsMerged(into, tuple(sorted(those)), cause) for into, those in sorted(merged.items()) if len(those) > 1),
        *(
            PersonsSplit(person, tuple(sorted(those)), cause)
            for person, those in sorted(split.items())
            if len(those) > 1
        ),
    ]
