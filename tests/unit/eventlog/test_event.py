import subprocess
import sys
from array import array

import pytest
from google.protobuf.internal.encoder import _VarintBytes  # type: ignore[attr-defined]  # protobuf's own, undocumented
from hypothesis import example, given
from hypothesis import strategies as st
from portrait.log.v1 import event_pb2 as pb

from libs.eventlog.event import Batch, Envelope, NewEvent, partition_of, uuid7, varint
from libs.runtime.clock import SECOND

KEYS = st.binary(min_size=16, max_size=16)
MICROS = st.integers(-(2**63), 2**63 - 1)
TEXTS = st.text(max_size=20)
ENVELOPES = st.builds(
    Envelope,
    tenant=TEXTS,
    type=TEXTS,
    version=st.integers(0, 2**32 - 1),
    mode=st.sampled_from([pb.MODE_UNSPECIFIED, pb.MODE_LIVE, pb.MODE_HISTORICAL]),
    import_id=TEXTS,
    rules_version=st.integers(0, 2**32 - 1),
    schema_revision=st.integers(0, 2**32 - 1),
    causation_id=st.binary(max_size=16),
    correlation_id=st.binary(max_size=16),
    traceparent=st.binary(max_size=25),
)


def wire(*payloads: bytes) -> list[bytes]:
    seal = Envelope("demo", "said").seal()
    return [seal.event(bytes(16), bytes(16), 0, payload).data for payload in payloads]


@given(ENVELOPES, KEYS, KEYS, MICROS, st.none() | MICROS, st.binary(max_size=300))
@example(Envelope("", ""), bytes(16), bytes(16), 0, 0, b"")
@example(Envelope("t", "e"), bytes(16), bytes(16), 1, None, b"x" * 70_000)
def test_a_sealed_event_is_the_event_that_protobuf_would_write(
    envelope: Envelope, id_: bytes, key: bytes, occurred_at: int, sent_at: int | None, payload: bytes
) -> None:
    made = envelope.seal().event(id_, key, occurred_at, payload, sent_at=sent_at, digest=7)
    expected = pb.Event(
        id=id_,
        tenant=envelope.tenant,
        key=key,
        type=envelope.type,
        version=envelope.version,
        occurred_at_micros=occurred_at,
        sent_at_micros=sent_at,
        payload=payload,
        mode=envelope.mode,
        import_id=envelope.import_id,
        rules_version=envelope.rules_version,
        schema_revision=envelope.schema_revision,
        causation_id=envelope.causation_id,
        correlation_id=envelope.correlation_id,
        traceparent=envelope.traceparent,
    )
    assert pb.Event.FromString(made.data) == expected
    assert made == NewEvent(id_, envelope.tenant, key, made.data, 7, envelope.import_id)


@given(st.binary(max_size=16))
def test_events_of_one_envelope_may_each_have_a_cause_of_their_own(cause: bytes) -> None:
    made = Envelope("demo", "said").seal().event(bytes(16), bytes(16), 0, b"x", cause=cause)
    assert pb.Event.FromString(made.data).causation_id == cause


@given(
    st.text(max_size=200),
    st.integers(0, 2**15 - 1),
    st.integers(1, 2**63),
    st.lists(st.tuples(MICROS, st.binary(max_size=200)), max_size=5),
)
@example("interactions", 0, 1, [(0, b"x" * 20_000)])
def test_a_batch_joined_is_the_batch_that_protobuf_would_write(
    log: str, partition: int, first: int, rows: list[tuple[int, bytes]]
) -> None:
    times, events = [time for time, _ in rows], wire(*(payload for _, payload in rows))
    batch = Batch(partition, first, times, events)
    expected = pb.EventBatch(
        log=log,
        partition=partition,
        first_position=first,
        recorded_at_micros=times,
        events=map(pb.Event.FromString, events),
    )
    assert pb.EventBatch.FromString(batch.to_wire(log)) == expected
    assert Batch(partition, first, array("q", times), events).to_wire(log) == batch.to_wire(log)
    back = Batch.from_wire(batch.to_wire(log))
    assert list(back.recorded()) == list(batch.recorded())
    assert (back.partition, back.first_position, back.last_position) == (partition, first, first + len(rows) - 1)


@pytest.mark.parametrize(
    ("behind", "first", "left"), [(0, 5, 3), (4, 5, 3), (5, 6, 2), (7, 8, 0), (6, 7, 1), (50, 51, 0)]
)
def test_after_leaves_what_lies_behind_a_position(behind: int, first: int, left: int) -> None:
    batch = Batch(0, 5, [10, 20, 30], wire(b"a", b"b", b"c")).after(behind)
    assert (batch.first_position, len(batch.events)) == (first, left)
    assert [(one.position, one.recorded_at, one.event.payload) for one in batch.recorded()] == [
        (5, 10, b"a"),
        (6, 20, b"b"),
        (7, 30, b"c"),
    ][3 - left :]


@given(st.integers(0, 2**64 - 1))
@example(127)
@example(128)
@example((1 << 14) - 1)
@example(1 << 14)
def test_a_varint_is_protobufs(value: int) -> None:
    assert varint(value) == _VarintBytes(value)


def test_two_processes_agree_on_the_partition() -> None:
    # pitfall 28: a salted hash would differ
    program = (
        "from libs.eventlog.event import partition_of\n"
        "print([partition_of(n.to_bytes(2, 'big') * 8, 8) for n in range(0, 65536, 997)])"
    )
    said = {
        subprocess.run(
            [sys.executable, "-c", program], env={"PYTHONHASHSEED": seed}, check=True, capture_output=True, text=True
        ).stdout.strip()
        for seed in ("1", "2")
    }
    assert said == {str([partition_of(n.to_bytes(2, "big") * 8, 8) for n in range(0, 65536, 997)])}


def test_the_partition_of_a_key_stands_for_ever() -> None:
    # Rows lie where this said they would: a change here loses every key of every log.
    key = bytes.fromhex("a1b2c3d4e5f60718293a4b5c6d7e8f90")
    assert [partition_of(key, partitions) for partitions in (1, 2, 3, 4, 8, 64, 1000)] == [0, 0, 0, 2, 2, 50, 394]


@given(st.integers(0, 2**47 * 1000))
def test_fresh_ids_sort_by_time_and_say_so(now: int) -> None:
    one, next_ms = uuid7(now), uuid7(now + SECOND // 1000)
    assert len(one) == 16
    assert one[:6] < next_ms[:6]
    assert (one[6] >> 4, one[8] >> 6) == (7, 2)
    assert uuid7(now) != one
