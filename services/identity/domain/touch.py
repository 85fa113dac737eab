"""Which identifiers news concerns, before anybody looks at their neighbourhoods."""

from collections.abc import Iterator, Mapping

from libs.people.identifiers import DAY, IdentifierRules
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
        if _matters(evidence.pairs.get(both), together):
            unmarked = [key for key in both if key not in marks]
            touches.update(unmarked if together is not None and unmarked else both)
            touches.update(_through_parent(known, news, rules, both))
    for login, sight in news.logins.items():
        if evidence.logins.get(login) != sight:
            key, session, account = login
            touches.update({account}, known.accounts(key, session))
    for decision in news.decisions:
        touches.update(_concerned(known, decision, rules))
    return touches


def _through_parent(known: Knowledge, news: News, rules: IdentifierRules, both: Pair) -> Iterator[Key]:
    """Where one of a pair is the other's parent: whatever was unlinked from the parent is now so from the child too."""
    for parent, child in (both, both[::-1]):
        seen = news.seen.get(child) or known.evidence.seen.get(child)
        of_parent = news.seen.get(parent) or known.evidence.seen.get(parent)
        type_ = rules.types.get(seen.type) if seen else None
        if type_ is not None and of_parent is not None and type_.parent == of_parent.type:
            yield from known.decided_with(parent) & known.beside(child)


def _matters(before: Together | None, after: Together | None) -> bool:
    """Whether a change of what is known of a pair can change who is who: silence is counted in days."""
    if before is None or after is None:
        return before is not after
    return (
        before.first != after.first
        or before.proofs != after.proofs
        or before.last.occurred_at // DAY != after.last.occurred_at // DAY
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
