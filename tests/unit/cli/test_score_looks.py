"""What scores look like on a terminal, beside the tags of a person and where one is explained."""

from zoneinfo import ZoneInfo

from portrait.tagging.v1 import tag_pb2 as tags
from portrait.tagging.v1 import tags_service_pb2 as pb

from libs.cli import labels
from tests.unit.cli.test_labels import ONE, shown

SHANGHAI = ZoneInfo("Asia/Shanghai")
STRONG = tags.PersonScore(tag="evidence", value=0.7071, level="strong", pieces=2)
UNKNOWN = tags.PersonScore(tag="spent", pieces=1)


def test_a_person_shows_how_sure_each_score_is_and_where_too_little_is_known() -> None:
    lines = shown(labels.held(pb.GetPersonTagsResponse(person_id=ONE, scores=[STRONG, UNKNOWN]), SHANGHAI)).splitlines()
    assert ["evidence", "0.71", "strong", "2"] in [line.split() for line in lines]
    assert ["spent", "–", "–", "1"] in [line.split() for line in lines]


def test_an_explanation_shows_what_each_kind_of_evidence_brings_to_the_score() -> None:
    brings = tags.ScoreContribution(about="feedback.ignored", asks="{did: {event: [a, b]}}", pieces=4, points=-1.5)
    brings.event_ids.extend([b"\1" * 16] * 4)
    told = pb.ExplainTagResponse(person_id=ONE, score=STRONG, contributions=[brings])
    text = " ".join(shown(labels.explained(told, SHANGHAI)).split())
    for said in ("score: 0.71 (strong)", "feedback.ignored", "{did: {event: [a, b]}} 4 -1.50 0101", "… (4)"):
        assert said in text
    told.score.CopyFrom(UNKNOWN)
    assert "score: none, too little is known" in shown(labels.explained(told, SHANGHAI))
