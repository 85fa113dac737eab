"""What conditions answer of public data is what an independent SQL query answers of the same interactions."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from examples.questions.answers import Answers, People, by_history, by_plan, by_sql, narrowed
from examples.questions.paper import Paper

SOME_PEOPLE = {"grocery": 100, "shop": 300}
ASKED = [
    pytest.param(scenario, moment.isoformat(), one.key, id=f"{scenario}-{moment:%Y-%m-%d}-{one.key}")
    for scenario in SOME_PEOPLE
    for paper in [Paper.load(scenario)]
    for moment in paper.moments
    for one in paper.questions
]


@dataclass(frozen=True)
class Told:
    plan: Answers
    history: Answers
    sql: Answers


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Told]:
    """What each way answers about some people of each scenario."""
    return {
        scenario: answered(scenario, people, tmp_path_factory.mktemp(scenario))
        for scenario, people in SOME_PEOPLE.items()
    }


def answered(scenario: str, some: int, folder: Path) -> Told:
    paper = Paper.load(scenario)
    documents = paper.documents(some)
    file, people = folder / "interactions.ndjson", People.of(paper, documents)
    file.write_bytes(b"\n".join(documents))
    sql = by_sql(paper, file).answers
    plan, history = (narrowed(way(paper, people).answers, sql) for way in (by_plan, by_history))
    return Told(plan, history, sql)


@pytest.mark.parametrize(("scenario", "moment", "question"), ASKED)
def test_features_histories_and_sql_name_the_same_people_and_values(
    told: dict[str, Told], scenario: str, moment: str, question: str
) -> None:
    ways, asked = told[scenario], (moment, question)
    assert ways.sql[asked], "a question that nobody answers shows nothing"
    assert ways.plan[asked] == ways.sql[asked]
    assert ways.history[asked] == ways.sql[asked]


def test_ten_questions_are_asked_of_the_whole_year_and_no_two_are_the_same() -> None:
    asked = Paper.load("grocery").questions
    assert len(asked) == len({one.key for one in asked}) == len({repr(one.when) for one in asked}) == 10
