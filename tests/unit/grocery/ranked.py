"""Ranks and tiers of households by SQL, and by the catalogue's cuts."""

from collections.abc import Iterable, Sequence
from typing import Final

from libs.conditions.features import Features
from services.tagging.compiled import Compiled
from services.tagging.domain.cuts import CutMade, boundary, measure_of
from services.tagging.domain.ranking import number_at_cut, thresholds
from services.tagging.domain.score import ByRank

RFM: Final = ("frequency", "monetary", "recency")

RANKS: Final = """
CREATE OR REPLACE MACRO today() AS getvariable('now')::DATE;
CREATE OR REPLACE MACRO cut_on() AS date_trunc('month', today())::DATE;
CREATE OR REPLACE MACRO fifths(numbers) AS
    [list_sort(numbers)[((len(numbers) * part + 4) // 5)::INTEGER] for part in [1, 2, 3, 4]];
CREATE OR REPLACE MACRO fifth(thresholds, number) AS
    CASE WHEN number IS NOT NULL THEN (len(list_filter(thresholds, lambda one: one < number)) + 1) * 2000 END;
CREATE OR REPLACE TABLE cut AS SELECT
    (SELECT fifths(list(n)) FROM (
        SELECT count(*) AS n FROM orders WHERE day BETWEEN cut_on() - 179 AND cut_on() - 1 GROUP BY person
    )) AS frequency,
    (SELECT fifths(list(n)) FROM (
        SELECT sum(amount) AS n FROM paid WHERE day BETWEEN cut_on() - 179 AND cut_on() - 1 GROUP BY person
    )) AS monetary,
    (SELECT fifths(list(n)) FROM (
        SELECT greatest(max(day), cut_on() - 365) - DATE '1970-01-01' AS n FROM orders
        WHERE day < cut_on() GROUP BY person
    )) AS recency;
CREATE OR REPLACE TABLE ranks AS
WITH f AS (SELECT person, count(*) AS n FROM orders WHERE day > today() - 180 GROUP BY person),
    m AS (SELECT person, sum(amount) AS n FROM paid WHERE day > today() - 180 GROUP BY person),
    r AS (SELECT person, max(day) - DATE '1970-01-01' AS n FROM orders GROUP BY person)
SELECT person, fifth(cut.frequency, f.n) AS frequency, fifth(cut.monetary, m.n) AS monetary,
    fifth(cut.recency, r.n) AS recency
FROM r LEFT JOIN f USING (person) LEFT JOIN m USING (person), cut;
CREATE OR REPLACE TABLE tiers AS
SELECT person, CASE
    WHEN recency >= 6000 AND frequency >= 8000 AND monetary >= 8000 THEN 'gold'
    WHEN monetary >= 6000 THEN 'silver'
    WHEN recency < 4000 AND monetary < 4000 THEN 'dormant' END AS tier
FROM ranks;
"""
"""Of `orders` (person, day) and `paid` (person, day, amount), as of the variable `now`: `ranks` and `tiers`."""


def cuts_of(compiled: Compiled, everybody: Iterable[Features], zone: str, today: int) -> Sequence[CutMade]:
    """The cuts that are due on a day, of all who are ranked."""
    people, cuts = list(everybody), []
    for score in compiled.scores.values():
        if isinstance(score.score, ByRank):
            day = boundary(score.score.cut, today)
            found = (number_at_cut(score.score, score.days(one, zone), day) for one in people)
            numbers = sorted(number for number in found if number is not None)
            made = thresholds(numbers, score.score.parts)
            cuts.append(CutMade(score.key, measure_of(score.score), day, made, len(numbers), 1, b""))
    return cuts
