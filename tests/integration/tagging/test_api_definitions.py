"""Definitions over gRPC: published with a plan, live after a flip, retired."""

import pytest
from portrait.tagging.v1 import tag_pb2 as tags
from portrait.tagging.v1 import tags_service_pb2 as pb

from libs.conditions.yaml_form import read_condition
from libs.rpc.pages import next_page
from libs.runtime.strict_yaml import read_yaml
from services.tagging.api import publishing as publishing_methods
from services.tagging.codec.drafts import draft_of
from services.tagging.domain import kinds
from services.tagging.queries.names import Described
from tests.support.definitions import read_tag
from tests.support.profile import refused
from tests.support.tagging_service import Tagged
from tests.unit.tagging.test_definition import VIEWED, document


def publishing(said: str, **more: object) -> pb.PublishTagRequest:
    return pb.PublishTagRequest(document=said, **more)  # type: ignore[arg-type]  # fields by name


async def unreadable(tagged: Tagged, name: str) -> None:
    """Let a definition be one that only a newer release can read."""
    await tagged.pool.execute(
        "UPDATE definitions SET document = 'of_a_newer_release: 1' WHERE tenant = $1 AND name = $2",
        tagged.tenant.id,
        name,
    )


async def test_publishing_tells_who_would_get_a_tag_and_then_they_have_it(tagged: Tagged) -> None:
    await tagged.did("u1", "product_viewed")
    await tagged.did("u2", "order_completed")
    tried = await tagged.stub.PublishTag(publishing(document(), validate_only=True))
    assert (tried.plan.population, tried.plan.looked_at, tried.plan.gained, tried.plan.holding) == (2, 2, 1, 1)
    assert tried.plan.sample[0].person_id == tagged.key("u1").hex()
    assert tried.plan.reads_history
    assert list(tried.plan.changes) == ["tag looks_around is new"]
    assert (await refused(tagged.stub.GetTag(pb.GetTagRequest(tag="looks_around")))).code == "NOT_FOUND"
    answer = await tagged.publish(document())
    assert (answer.definition.version, answer.definition.published_by) == (1, "ann")
    assert await tagged.tags("u1") == {"looks_around": True}
    assert await tagged.tags("u2") == {}


async def test_a_definition_is_filling_until_it_is_flipped(tagged: Tagged) -> None:
    await tagged.stub.PublishTag(publishing(document()))
    found = (await tagged.stub.GetTag(pb.GetTagRequest(tag="looks_around"))).definition
    assert found.state == tags.DEFINITION_STATE_FILLING
    await tagged.settle()
    found = (await tagged.stub.GetTag(pb.GetTagRequest(tag="looks_around"))).definition
    assert (found.state, found.titles["en"], found.document) == (
        tags.DEFINITION_STATE_LIVE,
        "Looks around",
        document(),
    )


async def test_the_same_document_again_is_no_new_version(tagged: Tagged) -> None:
    await tagged.publish(document())
    again = await tagged.publish(document() + "# a remark\n")
    assert (again.definition.version, list(again.plan.changes)) == (1, [])


async def test_a_document_is_read_once_on_its_way_to_the_people(
    tagged: Tagged, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []

    def reading(text: str) -> object:
        read.append(text)
        return read_yaml(text)

    monkeypatch.setattr(kinds, "read_yaml", reading)
    await tagged.did("u1", "product_viewed")
    documents = [document(owner=f"reader {n}") for n in range(2)]
    documents.append(document(owner="reader 2") + f"# {'x' * kinds.SHORT}\n")
    for index, one in enumerate(documents):
        assert (await tagged.publish(one)).definition.version == index + 1
    assert read == documents


async def test_a_repeated_request_is_answered_as_the_first_was(tagged: Tagged) -> None:
    first = await tagged.publish(document(), request_id="r1")
    await tagged.publish(document(owner="somebody else"))
    again = await tagged.publish(document(), request_id="r1")
    assert again.definition.version == first.definition.version == 1


async def test_the_id_of_another_request_publishes_and_retires_nothing(tagged: Tagged) -> None:
    await tagged.publish(document(), request_id="r1")
    for other in (document(owner="somebody else"), document(tag="another")):
        told = await refused(tagged.publish(other, request_id="r1"))
        assert (told.code, "request_id" in told.message) == ("INVALID_ARGUMENT", True)
    await tagged.publish(document(tag="another"), request_id="r2")
    await tagged.stub.RetireTag(pb.RetireTagRequest(tag="another", request_id="r1"))
    told = await refused(tagged.stub.RetireTag(pb.RetireTagRequest(tag="looks_around", request_id="r1")))
    assert told.code == "INVALID_ARGUMENT"
    assert [one.key for one in (await tagged.stub.ListTags(pb.ListTagsRequest())).definitions] == ["looks_around"]


async def test_a_new_version_takes_the_place_of_the_former_one_and_tells_who_loses(tagged: Tagged) -> None:
    await tagged.did("u1", "product_viewed")
    first = await tagged.publish(document())
    twice = document(when={"did": {"event": "product_viewed", "times": 2, "within": "7d"}})
    tried = await tagged.stub.PublishTag(publishing(twice, validate_only=True, etag=first.definition.etag))
    assert (tried.definition.version, tried.plan.lost, list(tried.plan.changes)) == (2, 1, ["other conditions"])
    assert not tried.plan.reads_history
    await tagged.publish(twice, etag=first.definition.etag)
    assert await tagged.tags("u1") == {}
    versions = (await tagged.stub.GetTag(pb.GetTagRequest(tag="looks_around"))).versions
    assert [one.state for one in versions] == [tags.DEFINITION_STATE_FORMER, tags.DEFINITION_STATE_LIVE]
    stale = await refused(tagged.stub.PublishTag(publishing(document(), etag=first.definition.etag)))
    assert (stale.code, stale.reason) == ("ABORTED", "ETAG_MISMATCH")


async def test_what_is_wrong_in_a_document_is_told_with_its_path(tagged: Tagged) -> None:
    wrong = document(when={"did": {"event": "product_viewed", "within": "7y"}})
    told = await refused(tagged.stub.PublishTag(publishing(wrong)))
    assert told.code == "INVALID_ARGUMENT"
    assert "when.did.within" in told.violations["document"]


async def test_a_definition_is_read_as_messages_changed_and_published_as_these(tagged: Tagged) -> None:
    await tagged.did("u1", "product_viewed")
    test = {"name": "somebody", "events": [{"event": "product_viewed", "ago": "1d"}], "expect": True}
    await tagged.publish(document(tests=[test]))
    draft = (await tagged.stub.GetTag(pb.GetTagRequest(tag="looks_around"))).draft
    assert draft.when.did.window.within.days == 7
    same = await tagged.stub.PublishTag(pb.PublishTagRequest(draft=draft))
    assert (same.definition.version, list(same.plan.changes)) == (1, [])
    draft.when.negation.did.CopyFrom(draft.when.did)
    draft.tests[0].update({"expect": False})
    plan = (await tagged.stub.PreviewTag(pb.PreviewTagRequest(draft=draft))).plan
    assert (plan.lost, "other conditions" in plan.changes) == (1, True)
    published = (await tagged.stub.PublishTag(pb.PublishTagRequest(draft=draft))).definition
    await tagged.settle()
    assert published.version == 2
    assert read_tag(published.document, 2).rungs[0].condition == read_condition(f"not: {VIEWED}")
    assert await tagged.tags("u1") == {}


async def test_what_is_wrong_in_a_draft_is_told_at_its_field(tagged: Tagged) -> None:
    draft = draft_of(document())
    draft.when.did.window.within.hours = 72
    del draft.when.did.events[:]
    told = await refused(tagged.stub.PublishTag(pb.PublishTagRequest(draft=draft)))
    assert (told.code, "is required" in str(told.violations)) == ("INVALID_ARGUMENT", True)
    assert list(told.violations) == ["draft.when.did.events"]
    draft = draft_of(document(value="number", source="statistic"))
    draft.when.did.window.within.hours = 72
    told = await refused(tagged.stub.PublishTag(pb.PublishTagRequest(draft=draft)))
    assert "when: measures within hours" in told.violations["draft"]
    draft = draft_of(document())
    draft.when.did.per = "category"
    draft.when.did.last.not_within.days = 3
    told = await refused(tagged.stub.PublishTag(pb.PublishTagRequest(draft=draft)))
    assert "says nothing beside last" in told.violations["draft.when.did.per"]
    told = await refused(tagged.stub.PreviewTag(pb.PreviewTagRequest()))
    assert "one of document, draft must be set" in str(told.violations)
    both = pb.PublishTagRequest(document=document(), draft=draft_of(document()))
    assert "only one of document, draft" in str((await refused(tagged.stub.PublishTag(both))).violations)


async def test_a_test_that_fails_keeps_a_definition_from_being_published(tagged: Tagged) -> None:
    fails = document(tests=[{"name": "nobody", "expect": True}])
    told = await refused(tagged.stub.PublishTag(publishing(fails)))
    assert (told.reason, "tests[0].expect: nobody" in told.violations["document"]) == ("TEST_FAILED", True)
    assert not (await tagged.stub.ListTags(pb.ListTagsRequest())).definitions


async def test_names_that_no_schema_has_are_doubtful(tagged: Tagged) -> None:
    tagged.names.described = Described({"product_view": {}}, {})
    plan = (await tagged.stub.PreviewTag(pb.PreviewTagRequest(document=document()))).plan
    assert list(plan.warnings) == ["when.did.event: no event 'product_viewed' is known, did you mean 'product_view'?"]
    assert list(plan.unknown) == [pb.UnknownName(warning=0, kind="event", name="product_viewed")]
    tagged.names.described = Described({}, {}, told=False)
    plan = (await tagged.stub.PreviewTag(pb.PreviewTagRequest(document=document()))).plan
    assert "could not be read" in plan.warnings[-1]


async def test_tags_are_listed_in_pages_by_key(tagged: Tagged) -> None:
    for key in ("a", "b", "c"):
        await tagged.stub.PublishTag(publishing(document(tag=key, category="interest" if key == "b" else "value")))
    first = await tagged.stub.ListTags(pb.ListTagsRequest(page_size=2))
    assert [one.key for one in first.definitions] == ["a", "b"]
    rest = await tagged.stub.ListTags(pb.ListTagsRequest(page_size=2, page_token=first.next_page_token))
    assert ([one.key for one in rest.definitions], rest.next_page_token) == (["c"], "")
    interests = await tagged.stub.ListTags(pb.ListTagsRequest(category="interest"))
    assert [one.key for one in interests.definitions] == ["b"]


async def test_a_forged_token_of_tags_is_refused(tagged: Tagged) -> None:
    token = next_page(pb.ListTagsRequest(), "\0")
    told = await refused(tagged.stub.ListTags(pb.ListTagsRequest(page_token=token)))
    assert (told.code, list(told.violations)) == ("INVALID_ARGUMENT", ["page_token"])


async def test_a_page_of_tags_reads_no_document_behind_it(tagged: Tagged) -> None:
    for key in ("a", "b", "c"):
        await tagged.publish(document(tag=key))
    await unreadable(tagged, "c")
    first = await tagged.stub.ListTags(pb.ListTagsRequest(page_size=1))
    assert [one.key for one in first.definitions] == ["a"]
    rest = await tagged.stub.ListTags(pb.ListTagsRequest(page_token=first.next_page_token, page_size=1))
    assert [one.key for one in rest.definitions] == ["b"]


async def test_more_tags_than_are_looked_at_once_are_listed_in_one_page(
    tagged: Tagged, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publishing_methods, "PORTION", 2)
    for key in ("a", "b", "c", "d", "e"):
        await tagged.stub.PublishTag(publishing(document(tag=key, category="value" if key in "be" else "interest")))
    listed = await tagged.stub.ListTags(pb.ListTagsRequest())
    assert [one.key for one in listed.definitions] == ["a", "b", "c", "d", "e"]
    values = await tagged.stub.ListTags(pb.ListTagsRequest(category="value", page_size=1))
    assert [one.key for one in values.definitions] == ["b"]
    rest = await tagged.stub.ListTags(
        pb.ListTagsRequest(category="value", page_size=1, page_token=values.next_page_token)
    )
    assert ([one.key for one in rest.definitions], rest.next_page_token) == (["e"], "")


async def test_who_has_a_retired_tag_loses_it(tagged: Tagged) -> None:
    await tagged.did("u1", "product_viewed")
    await tagged.publish(document())
    tried = await tagged.stub.RetireTag(pb.RetireTagRequest(tag="looks_around", validate_only=True))
    assert tried.lost == 1
    assert await tagged.tags("u1") == {"looks_around": True}
    request = pb.RetireTagRequest(tag="looks_around", request_id="r1", reason="nobody asks")
    await tagged.stub.RetireTag(request)
    await tagged.settle()
    assert await tagged.tags("u1") == {}
    again = await tagged.stub.RetireTag(request)
    assert again.definition.state == tags.DEFINITION_STATE_RETIRED
    assert not (await tagged.stub.ListTags(pb.ListTagsRequest())).definitions
    assert len((await tagged.stub.ListTags(pb.ListTagsRequest(retired=True))).definitions) == 1


async def test_who_loses_a_tag_is_counted_without_reading_what_everybody_holds(tagged: Tagged) -> None:
    for user in ("u1", "u2"):
        await tagged.did(user, "product_viewed")
    await tagged.did("u3", "order_completed")
    await tagged.publish(document())
    await tagged.pool.execute("UPDATE holdings SET state = 'unreadable' WHERE tenant = $1", tagged.tenant.id)
    tried = await tagged.stub.RetireTag(pb.RetireTagRequest(tag="looks_around", validate_only=True))
    assert tried.lost == 2


async def test_a_repeated_retirement_is_answered_with_what_was_retired_then(tagged: Tagged) -> None:
    await tagged.publish(document())
    request = pb.RetireTagRequest(tag="looks_around", request_id="r1")
    first = await tagged.stub.RetireTag(request)
    await tagged.settle()
    await tagged.publish(document())
    again = await tagged.stub.RetireTag(request)
    assert (again.definition.version, again.definition.etag) == (first.definition.version, first.definition.etag)
    assert again.definition.state == tags.DEFINITION_STATE_RETIRED


async def test_a_tag_that_another_reads_is_not_retired(tagged: Tagged) -> None:
    await tagged.publish(document())
    await tagged.publish(document(tag="reads", when={"all": [{"tag": "looks_around"}, VIEWED]}))
    told = await refused(tagged.stub.RetireTag(pb.RetireTagRequest(tag="looks_around")))
    assert (told.code, told.reason) == ("FAILED_PRECONDITION", "TAG_IS_READ")


async def test_a_retired_tag_can_be_published_again(tagged: Tagged) -> None:
    await tagged.did("u1", "product_viewed")
    await tagged.publish(document())
    await tagged.stub.RetireTag(pb.RetireTagRequest(tag="looks_around"))
    await tagged.settle()
    assert (await tagged.publish(document())).definition.version == 2
    assert await tagged.tags("u1") == {"looks_around": True}
