"""The section `score` of a tag's document: what it says, and what is wrong with it, at its place."""

import pytest

from libs.conditions.numbers import SCALE
from libs.conditions.reading import read_document
from libs.conditions.said import Said
from libs.conditions.tree import Condition, Did
from libs.runtime.errors import InvalidArgument
from libs.runtime.strict_yaml import read_yaml
from services.tagging.domain.score import EVERY_DAY, ByEvidence, ByRank, Level, Score
from services.tagging.domain.score_reading import read_score

EVIDENCE = """
half_life: 30d
evidence:
  - {did: {event: order_completed, where: {coupon: {exists: true}}}, weight: 1.5}
  - {did: [product_viewed, products_searched], weight: 0.1}
feedback: {ignored: -0.5, clicked: 0.4}
needed: 2
half_at: 2
levels: {some: 0.2, strong: 0.6}
"""
SPENT = "did: {event: order_completed, sum: {of: total}, within: 365d}"
LAST = "did: {event: order_completed, last: {}}"
RANK = "rank: {parts: 5, cut: monthly}"


def read(text: str, measured: str | None = None) -> Score:
    condition: Condition | None = None if measured is None else read_document(read_yaml(measured))
    return read_score(Said(read_yaml(text), "score"), "vip", condition)


def test_a_score_by_evidence_says_what_speaks_for_and_against_and_how_fast_it_fades() -> None:
    score = read(EVIDENCE)
    assert isinstance(score, ByEvidence)
    assert (score.half_life, score.needed, score.half_at) == (30, 2, 2 * SCALE)
    assert [(one.about, one.did.events, one.weight) for one in score.evidence] == [
        ("evidence[0]", ("order_completed",), 15_000),
        ("evidence[1]", ("product_viewed", "products_searched"), 1_000),
        ("feedback.clicked", ("message_clicked",), 4_000),
        ("feedback.ignored", ("message_ignored",), -5_000),
    ]
    assert score.levels == (Level("strong", 6_000), Level("some", 2_000))
    assert list(score.conditions("vip")) == [f"score:vip/evidence/{index}" for index in range(4)]


def test_feedback_counts_for_the_tags_that_a_message_was_aimed_at() -> None:
    score = read("{half_life: 7d, feedback: {ignored: -1}}")
    aimed = read_document({"did": {"event": "message_ignored", "where": {"tags": "vip"}}})
    assert isinstance(score, ByEvidence)
    (only,) = score.evidence
    assert only.did.where == aimed.where  # type: ignore[union-attr]  # a did


def test_a_rank_measures_what_the_tag_measures() -> None:
    spent = read(RANK, SPENT)
    assert isinstance(spent, ByRank)
    assert (spent.parts, spent.cut, spent.edge) == (5, "monthly", None)
    assert spent.did == read_document(read_yaml(SPENT))


def test_a_rank_by_a_moment_counts_by_day_for_it() -> None:
    last = read(RANK, LAST)
    assert isinstance(last, ByRank)
    assert last.edge == "last"
    assert last.conditions("vip") == {"score:vip/number": Did(("order_completed",), test=EVERY_DAY)}


@pytest.mark.parametrize(
    ("text", "measured", "field", "told"),
    [
        ("{levels: {a: 0.5}}", None, "score.half_life", "is missing"),
        ("{half_life: 30d}", None, "score", "needs evidence"),
        ("{half_life: 36h, feedback: {ignored: -1}}", None, "score.half_life", "must be days"),
        ("{half_life: 401d, feedback: {ignored: -1}}", None, "score.half_life", "more than 400d"),
        ("{half_life: 9d, evidence: [{did: a}]}", None, "score.evidence[0].weight", "is missing"),
        ("{half_life: 9d, evidence: [{did: a, weight: 0}]}", None, "score.evidence[0].weight", "not 0"),
        (
            "{half_life: 9d, evidence: [{did: {event: a, where: [{x: {at_leest: 1}}]}, weight: 1}]}",
            None,
            "score.evidence[0].did.where[0].x.at_leest",
            "at_least",
        ),
        ("{half_life: 9d, feedback: {opend: 1}}", None, "score.feedback.opend", "did you mean 'opened'"),
        ("{half_life: 9d, feedback: {opened: 1}, needed: 0}", None, "score.needed", "between"),
        ("{half_life: 9d, feedback: {opened: 1}, half_at: 0}", None, "score.half_at", "above 0"),
        ("{half_life: 9d, feedback: {opened: 1}, levels: {a: 1}}", None, "score.levels.a", "below 1"),
        ("{half_life: 9d, feedback: {opened: 1}, levels: {a: 0.5, b: 0.5}}", None, "score.levels", "two levels"),
        ("{rank: {parts: 5, cut: monthly}, half_life: 9d}", SPENT, "score.half_life", "beside rank"),
        ("{rank: {parts: 1, cut: monthly}}", SPENT, "score.rank.parts", "between"),
        ("{rank: {parts: 5, cut: yearly}}", SPENT, "score.rank.cut", "monthly"),
        (f"{{{RANK}}}", None, "score.rank", "is for a tag whose value"),
        (f"{{{RANK}}}", "did: {event: a, sum: {of: x}, within: 366d}", "score.rank", "365d at most"),
        (f"{{{RANK}}}", "did: {event: a, sum: {of: x}, from: 2026-01-01}", "score.rank", "not between dates"),
        (f"{{{RANK}}}", "did: {event: a, distinct: {of: x}}", "score.rank", "count, sum, average"),
        (f"{{{RANK}}}", "did: {event: a, last: {within: 9d}}", "score.rank", "without a window"),
    ],
)
def test_what_is_wrong_is_told_at_its_place(text: str, measured: str | None, field: str, told: str) -> None:
    with pytest.raises(InvalidArgument) as raised:
        read(text, measured)
    assert raised.value.field == field
    assert told in raised.value.message
