"""Reading the section `score` of a tag's document."""

from collections.abc import Iterator, Mapping
from typing import Final, cast

from libs.conditions.comparisons import OneOf
from libs.conditions.numbers import SCALE
from libs.conditions.reading import read_each, read_where
from libs.conditions.said import Said
from libs.conditions.tree import Amount, Clause, Condition, Did, Moment
from libs.conditions.windows import MOST_DAYS, Days, Ever
from services.tagging.domain.names import one_of
from services.tagging.domain.score import CUTS, EVERY_DAY, ByEvidence, ByRank, Cut, Evidence, Level, Score

FEEDBACK: Final[Mapping[str, str]] = {
    one: f"message_{one}" for one in ("opened", "clicked", "converted", "ignored", "unsubscribed")
}
"""How people take what they are sent, and the events that tell of it."""

AIMED_AT: Final = "tags"
"""The property of these events that lists the tags at which a message was aimed."""

LONGEST_RANKED: Final = 365
"""Days of a window over which people are ranked: a cut of a month ago must still find all of them."""

_BY_EVIDENCE: Final = ("half_life", "evidence", "feedback", "needed", "half_at")
_MOST_EVIDENCE: Final = 100
_MOST_PIECES: Final = 1_000
_MOST_PARTS: Final = 100
_HEAVIEST: Final = 1_000 * SCALE
_RANKED: Final = ("count", "sum", "average")


def read_score(said: Said, tag: str, measured: Condition | None) -> Score:
    """The score that a tag's document says; `measured` is the condition that gives its value, if one does.

    Raises `InvalidArgument` with the path.
    """
    fields = said.fields(*_BY_EVIDENCE, "levels", "rank")
    if "rank" in fields:
        for name in _BY_EVIDENCE:
            if name in fields:
                fields[name].fail("says nothing beside rank")
        return _by_rank(fields, measured)
    return _by_evidence(said, fields, tag)


def _by_evidence(said: Said, fields: Mapping[str, Said], tag: str) -> ByEvidence:
    said.fields(*_BY_EVIDENCE, "levels", needs=("half_life",))
    evidence = (*_evidence(fields.get("evidence")), *_feedback(fields.get("feedback"), tag))
    if not evidence:
        said.fail("needs evidence, or feedback, or rank")
    half_at = fields["half_at"].number() if "half_at" in fields else SCALE
    if not 0 < half_at <= _HEAVIEST:
        fields["half_at"].fail(f"must be above 0 and at most {_HEAVIEST // SCALE:,}")
    return ByEvidence(
        half_life=_half_life(fields["half_life"]),
        evidence=evidence,
        needed=fields["needed"].whole(1, _MOST_PIECES) if "needed" in fields else 1,
        half_at=half_at,
        levels=_levels(fields.get("levels"), SCALE - 1),
    )


def _half_life(said: Said) -> int:
    length = said.length()
    if not isinstance(length, Days):
        said.fail(f'must be days, such as "30d", up to {MOST_DAYS}: evidence is kept by day')
    return length.days


def _evidence(said: Said | None) -> Iterator[Evidence]:
    if said is None:
        return
    for index, one in enumerate(said.items()):
        if index == _MOST_EVIDENCE:
            said.fail(f"has more than {_MOST_EVIDENCE} entries")
        fields = one.fields("did", "weight", needs=("did", "weight"))
        yield Evidence(f"evidence[{index}]", _did(fields["did"]), _weight(fields["weight"]))


def _did(said: Said) -> Did:
    if isinstance(said.value, str | list):
        return Did(said.texts(), test=EVERY_DAY)
    fields = said.fields("event", "where", "each", needs=("event",))
    each = read_each(fields["each"]) if "each" in fields else None
    return Did(fields["event"].texts(), read_where(fields.get("where")), each, EVERY_DAY)


def _feedback(said: Said | None, tag: str) -> Iterator[Evidence]:
    if said is None:
        return
    given = said.fields(*FEEDBACK)
    if not given:
        said.fail("says nothing")
    for name, event in FEEDBACK.items():
        if name in given:
            did = Did((event,), (Clause(AIMED_AT, OneOf((tag,))),), None, EVERY_DAY)
            yield Evidence(f"feedback.{name}", did, _weight(given[name]))


def _weight(said: Said) -> int:
    weight = said.number()
    if weight == 0 or abs(weight) > _HEAVIEST:
        said.fail(f"must be between -{_HEAVIEST // SCALE:,} and {_HEAVIEST // SCALE:,}, and not 0")
    return weight


def _levels(said: Said | None, most: int) -> tuple[Level, ...]:
    if said is None:
        return ()
    levels = []
    for name, one in said.entries().items():
        least = one.number()
        if not 0 < least <= most:
            one.fail("must be above 0 and at most 1" if most == SCALE else "must be above 0 and below 1")
        levels.append(Level(name, least))
    if not levels:
        said.fail("is empty")
    if len({level.least for level in levels}) < len(levels):
        said.fail("has two levels that begin at the same score")
    return tuple(sorted(levels, key=lambda level: -level.least))


def _by_rank(fields: Mapping[str, Said], measured: Condition | None) -> ByRank:
    said = fields["rank"]
    inner = said.fields("parts", "cut", needs=("parts", "cut"))
    parts = inner["parts"].whole(2, _MOST_PARTS)
    cut = cast("Cut", one_of(inner["cut"], CUTS))
    levels = _levels(fields.get("levels"), SCALE)
    if not isinstance(measured, Did):
        said.fail("is for a tag whose value is a number (source statistic) or a moment (source first_last)")
    match measured.test:
        case Amount(measure, _, _, None, window) if measure in _RANKED:
            if not isinstance(window, Ever | Days):
                said.fail("ranks what is measured within days, or ever, not between dates or within hours")
            if isinstance(window, Days) and window.days > LONGEST_RANKED:
                said.fail(f"ranks what is measured within {LONGEST_RANKED}d at most, or ever")
            return ByRank(parts, cut, measured, None, levels)
        case Moment(edge, Ever(), True):
            counted = Did(measured.events, measured.where, measured.each, EVERY_DAY)
            return ByRank(parts, cut, counted, edge, levels)
        case _:
            return said.fail(f"ranks by {', '.join(_RANKED)}, or by first or last without a window")
