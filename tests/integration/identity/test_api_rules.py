"""Rules over gRPC: read, tried and published."""

from typing import Any

import pytest
import yaml
from portrait.identity.v1 import identities_service_pb2 as pb
from portrait.identity.v1 import rules_pb2

from libs.people.identifiers import DEFAULT_RULES
from libs.people.rules_document import read_rules, written
from libs.runtime.errors import FailedPrecondition
from services.identity.queries.previewing import Previewing
from tests.support.identity import seen
from tests.support.identity_service import Asked, values
from tests.support.profile import refused


def document(**changes: Any) -> str:
    """The shipped rules with other fields of some types."""
    rules = yaml.safe_load(written(DEFAULT_RULES))
    for name, fields in changes.items():
        rules["types"].setdefault(name, {}).update(fields)
    return yaml.safe_dump(rules)


async def published(asked: Asked, said: str, **request: Any) -> pb.PublishRulesResponse:
    asking = pb.PublishRulesRequest(rules=rules_pb2.Rules(document=said), **request)
    answer: pb.PublishRulesResponse = await asked.stub.PublishRules(asking)
    return answer


async def standing(asked: Asked, **request: Any) -> rules_pb2.Rules:
    rules: rules_pb2.Rules = (await asked.stub.GetRules(pb.GetRulesRequest(**request))).rules
    return rules


async def test_before_anything_is_published_the_shipped_rules_stand_and_can_be_published_changed(asked: Asked) -> None:
    shipped = await standing(asked)
    assert (shipped.version, shipped.etag) == (0, "shipped")
    answer = await published(asked, shipped.document.replace("people: 3", "people: 2"), etag=shipped.etag)
    assert answer.rules.version == 1
    assert "device_id.people: 3 → 2" in answer.plan.changes
    now = await standing(asked)
    assert now == answer.rules
    assert now.HasField("published_at")
    assert await standing(asked, version=0) == shipped
    assert (await refused(asked.stub.GetRules(pb.GetRulesRequest(version=7)))).code == "NOT_FOUND"


async def test_a_preview_tells_who_would_come_apart_and_why_and_changes_nothing(asked: Asked) -> None:
    await asked.saw(seen("u1", "d1"), seen("d1", "m1"), seen("d1", "p1"))
    await asked.saw(seen("m1", "d2"))
    before = await asked.person("u1")
    request = pb.PreviewRulesRequest(document=document(device_id={"per_person": 1}))
    plan = (await asked.stub.PreviewRules(request)).plan
    assert (plan.split, plan.merged, plan.identifiers) == (1, 0, 5)
    (change,) = plan.sample
    assert list(change.before) == [before.person_id]
    assert len(change.after) == 2
    assert change.reason == "one person may have at most 1 device_id"
    assert await asked.person("u1") == before
    assert (await standing(asked)).version == 0


async def test_a_preview_tells_who_would_be_joined(asked: Asked) -> None:
    await asked.saw(seen("u1", "d1"), seen("u2", "d1"))
    request = pb.PreviewRulesRequest(document=document(user_id={"per_person": 2}), sample_size=5)
    plan = (await asked.stub.PreviewRules(request)).plan
    assert (plan.merged, plan.split) == (1, 0)
    assert plan.sample[0].reason == "no longer holds: one person may have at most 1 user_id"
    assert len(plan.sample[0].before) == 2


async def test_a_preview_that_takes_too_much_memory_is_refused_and_says_what_to_raise(
    asked: Asked, identity_dsn: str
) -> None:
    await asked.saw(seen("u1", "d1"))
    shipped, stricter = DEFAULT_RULES, read_rules(document(device_id={"people": 2}), 1)
    with pytest.raises(FailedPrecondition, match="PREVIEW_MEMORY_MB") as refusal:
        await Previewing(identity_dsn, 1 << 20).plan(asked.world.tenant.id, "CN", shipped, stricter, 1)
    assert refusal.value.reason == "PREVIEW_TOO_LARGE"


async def test_published_rules_hold_for_what_was_seen_before(asked: Asked) -> None:
    await asked.saw(seen("u1", "d1"), seen("u2", "d1"))
    assert await asked.names("u2") == values("u2")
    answer = await published(asked, document(user_id={"per_person": 2}))
    assert answer.plan.merged == 1
    assert await asked.names("u2") == values("u1", "u2", "d1")


async def test_only_checking_publishes_nothing_and_answers_with_the_plan(asked: Asked) -> None:
    answer = await published(asked, document(user_id={"per_person": 2}), validate_only=True)
    assert answer.rules.version == 1
    assert list(answer.plan.changes) == ["user_id.per_person: 1 → 2"]
    assert (await standing(asked)).version == 0


async def test_an_old_etag_is_refused_also_when_only_checking(asked: Asked) -> None:
    await published(asked, document(user_id={"per_person": 2}), etag="shipped")
    for only in (True, False):
        asking = pb.PublishRulesRequest(
            rules=rules_pb2.Rules(document=document(user_id={"per_person": 3})), etag="shipped", validate_only=only
        )
        error = await refused(asked.stub.PublishRules(asking))
        assert (error.code, error.reason) == ("ABORTED", "ETAG_MISMATCH")


async def test_a_repeated_request_is_answered_with_the_version_that_it_published(asked: Asked) -> None:
    first = await published(asked, document(user_id={"per_person": 2}), etag="shipped", request_id="once")
    second = await published(asked, document(user_id={"per_person": 2}), etag="shipped", request_id="once")
    assert first.rules == second.rules


async def test_a_request_id_that_published_other_rules_is_refused(asked: Asked) -> None:
    first = await published(asked, document(user_id={"per_person": 2}), request_id="once")
    other = rules_pb2.Rules(document=document(user_id={"per_person": 3}))
    error = await refused(asked.stub.PublishRules(pb.PublishRulesRequest(rules=other, request_id="once")))
    assert (error.code, list(error.violations)) == ("INVALID_ARGUMENT", ["request_id"])
    assert (await asked.stub.GetRules(pb.GetRulesRequest())).rules == first.rules


async def test_a_repeat_is_answered_alike_although_its_version_was_overtaken(asked: Asked) -> None:
    said = "version: 1\n" + document(user_id={"per_person": 2}).replace("version: 0\n", "")
    first = await published(asked, said, request_id="once")
    await published(asked, document(user_id={"per_person": 3}))
    assert (await published(asked, said, request_id="once")).rules == first.rules


async def test_rules_that_say_nothing_new_are_not_published_again(asked: Asked) -> None:
    answer = await published(asked, document())
    assert (answer.rules.version, list(answer.plan.changes)) == (0, [])


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("types: [", "is not YAML: line 1"),
        ("types: {}", "types: must name at least one"),
        (document(user_id={"stregth": "weak"}), "types.user_id.stregth: is unknown"),
        (document(phone={"form": "exact"}), "types.phone.form: was 'phone' in version 0"),
    ],
)
async def test_a_mistake_is_named_by_its_path_in_the_document(asked: Asked, said: str, told: str) -> None:
    error = await refused(asked.stub.PreviewRules(pb.PreviewRulesRequest(document=said)))
    assert (error.code, list(error.violations)) == ("INVALID_ARGUMENT", ["document"])
    assert told in error.violations["document"]
    asking = pb.PublishRulesRequest(rules=rules_pb2.Rules(document=said))
    error = await refused(asked.stub.PublishRules(asking))
    assert list(error.violations) == ["rules.document"]


async def test_another_tenants_rules_are_their_own(asked: Asked) -> None:
    """Pitfall 30."""
    await published(asked, document(user_id={"per_person": 2}))
    assert (await asked.stranger.GetRules(pb.GetRulesRequest())).rules.version == 0


async def test_an_empty_document_is_refused(asked: Asked) -> None:
    error = await refused(asked.stub.PreviewRules(pb.PreviewRulesRequest()))
    assert list(error.violations) == ["document"]


async def test_who_somebody_was_is_told_by_the_rules_of_then(asked: Asked) -> None:
    asked.world.clock.set(5000 * 3600 * 1_000_000)
    await asked.saw(seen("u1", "d1"), seen("u2", "d1"))
    await published(asked, document(user_id={"per_person": 2}))
    then = {"seconds": 4000 * 3600}
    assert await asked.names("u1", known_at=then) == values("u1", "d1")
    assert await asked.names("u1") == values("u1", "u2", "d1")
