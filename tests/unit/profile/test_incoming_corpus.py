"""Odd documents, each with what becomes of it; corpus/*.jsonl says `document` or `hex`, then the outcome."""

import json
from pathlib import Path
from typing import Any

import pytest

from libs.people.said import claims
from services.profile.domain.incoming import Accepted, event_id_of
from services.profile.domain.interaction import read_interaction
from services.profile.domain.rejection import Rejected
from tests.unit.profile.test_incoming import ARRIVAL, INTAKE

CASES = [
    pytest.param(case, id=f"{file.stem}: {case['name']}")
    for file in sorted(Path(__file__).with_name("corpus").glob("*.jsonl"))
    for case in map(json.loads, file.read_text(encoding="utf-8").splitlines())
]


@pytest.mark.parametrize("case", CASES)
def test_an_odd_document_ends_as_the_corpus_says(case: dict[str, Any]) -> None:
    document = bytes.fromhex(case["hex"]) if "hex" in case else case["document"].encode()
    outcome = INTAKE.read(document, ARRIVAL)
    if "reason" in case:
        assert isinstance(outcome, Rejected), outcome
        assert (outcome.reason, outcome.field) == (case["reason"], case["field"]), outcome.message
        assert outcome.message
    else:
        assert isinstance(outcome, Accepted), outcome
        assert {name: _shown(outcome, name) for name in case["accepted"]} == case["accepted"]
        assert event_id_of(outcome.message_id) == outcome.event_id
        assert read_interaction(outcome.payload).event == outcome.said.event


def _shown(accepted: Accepted, name: str) -> Any:
    match name:
        case "claims":
            return [[claim.type, claim.value, claim.verified] for claim in claims(accepted.said.identifiers)]
        case "event_id":
            return accepted.event_id.hex()
        case "event":
            return accepted.said.event
        case _:
            return getattr(accepted, name)
