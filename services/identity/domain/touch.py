"""Which identifiers news concerns, before anybody looks at their neighbourhoods."""

from collections.abc import Iterator, Mapping, Sequence

from libs.people.identifiers import DAY, IdentifierRules, IdentifierType
from services.identity.domain.decisions import Blocked, IdentityDecision, Unblocked, subjects
from services.identity.domain.evidence import Key, Pair, Together
from services.identity.domain.knowledge import Knowledge, News
from services.identity.domain.standing import Mark


def touched(
    known: Knowledge, news: News, rules: IdentifierRules, screened: frozenset[Key], marks: Mapping[Key, Mark]
) -> set[Key]:
    """The identifiers whose edges, marks or age may change; most news only confirms and touches none.

    More evidence takes no mark away, so a kiosk is not looked at anew for each new visitor.
    """
    evidence = known.evidence
    touches: set[Key] = set()
    for key, seen in news.seen.items():
        noted = key in evidence.seen or key in known.decisions.types or key in screened
        if noted and evidence.seen.get(key) != seen:
            touches.add(key)
    for both, together in news.pairs.items():
        types = tuple(_type_of(key, known, news, rules) for key in both)
        runs_out = any(type_ is not None and type_.validity is not None for type_ in types)
        if matters(evidence.pairs.get(both), together, runs_out=runs_out):
            unmarked = [key for key in both if key not in marks]
            touches.update(unmarked if together is not None and unmarked else both)
            touches.update(_through_parent(known, both, types))
    for login in {login for login, sight in news.logins.items() if evidence.logins.get(login) != sight}:
        key, session, account = login
        type_ = _type_of(account, known, news, rules)
        if type_ is not None and type_.strength == "strong":
            touches.update({account}, known.accounts(key, session))
    for decision in news.decisions:
        touches.update(_concerned(known, decision, rules))
    return touches


def _type_of(key: Key, known: Knowledge, news: News, rules: IdentifierRules) -> IdentifierType | None:
    seen = news.seen.get(key) or known.evidence.seen.get(key)
    return rules.types.get(seen.type) if seen else None


def _through_parent(known: Knowledge, both: Pair, types: Sequence[IdentifierType | None]) -> Iterator[Key]:
    """Where one turns out to be the other's parent: whoever is unlinked from the parent is so from the child too."""
    for parent, child in ((0, 1), (1, 0)):
        a, b = types[parent], types[child]
        if a is not None and b is not None and b.parent == a.name:
            yield from known.decided_with(both[parent]) & known.beside(both[child])


def matters(before: Together | None, after: Together | None, *, runs_out: bool) -> bool:
    """Whether a change of what is known of a pair can change who is who: when last seen, only where that runs out."""
    if before is None or after is None:
        return before is not after
    return (
        before.first != after.first
        or before.proofs != after.proofs
        or (runs_out and before.last.occurred_at // DAY != after.last.occurred_at // DAY)
    )


def _concerned(known: Knowledge, decision: IdentityDecision, rules: IdentifierRules) -> Iterator[Key]:
    about = subjects(decision)
    yield from (one.key for one in about)
    if isinstance(decision, Blocked | Unblocked):
        return
    a, b = about
    seen = known.evidence.seen
    for child in known.beside(a.key) & known.beside(b.key):
        type_ = rules.types.get(seen[child].type)
        if type_ is not None and type_.parent in {a.type, b.type}:
            yield child
