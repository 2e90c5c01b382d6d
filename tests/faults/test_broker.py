"""What a broker can do to an extraction, and how that ends."""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import Any

import pytest

from movie_recommender.errors import NotReadyError, OffsetGapError
from movie_recommender.extract import source
from movie_recommender.local.single_broker import SingleBroker
from tests.steps import at_moment, small_commits
from tests.stream import Stream

pytestmark = pytest.mark.integration

TIMEOUT_S = 3.0
N = 240

after_first_commit = partial(at_moment, 3)


@contextmanager
def before_it_reads(happens: Callable[[], object]) -> Iterator[None]:
    """Have something done when the extraction knows what there is to read."""
    batches = source.Source.batches

    def read(*arguments: Any) -> Iterator[source.Batch]:
        happens()
        return batches(*arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(source.Source, "batches", read)
        yield


@pytest.fixture(autouse=True)
def little_read_ahead(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """N large events are many times what is read ahead of a commit: the last ones come late."""
    monkeypatch.setattr(source, "_QUEUE_KBYTES", 64)
    with small_commits(20):
        yield


def send_large(stream: Stream, name: str) -> None:
    stream.send_events(name, N, padding="x" * 30_000)


def wait_at_most(stream: Stream, timeout_s: float) -> None:
    stream.settings = stream.settings.model_copy(update={"kafka_timeout_s": timeout_s})


def failed(stream: Stream, error: type[Exception], match: str) -> float:
    """Seconds until the extraction gave up."""
    began = time.monotonic()
    with pytest.raises(error, match=match):
        stream.extract()
    return time.monotonic() - began


def test_frozen_before_or_during_an_extraction_the_wait_is_bounded_and_the_next_goes_on(
    mortal: Stream, mortal_broker: SingleBroker
) -> None:
    def freeze() -> None:
        mortal_broker.signal(signal.SIGSTOP)

    wait_at_most(mortal, TIMEOUT_S)
    send_large(mortal, "a")
    for freezing, told in (
        (nullcontext(freeze()), "No Kafka broker answers"),
        (before_it_reads(freeze), "no answer for 3 s"),
        (after_first_commit(freeze), "(?i)no .*answer.* 3 s"),
    ):
        try:
            with freezing:
                assert failed(mortal, NotReadyError, told) < 5 * TIMEOUT_S
        finally:
            mortal_broker.signal(signal.SIGCONT)
    assert 0 < mortal.lake.count("interactions") < N
    wait_at_most(mortal, 20)
    mortal.extract()
    mortal.check()


def test_frozen_or_killed_for_less_than_the_timeout_the_extraction_just_goes_on(
    mortal: Stream, mortal_broker: SingleBroker
) -> None:
    def freeze() -> None:
        mortal_broker.signal(signal.SIGSTOP)
        threading.Timer(2, mortal_broker.signal, [signal.SIGCONT]).start()

    def restart() -> None:
        mortal_broker.kill()
        threading.Thread(target=mortal_broker.start).start()

    wait_at_most(mortal, 90)
    for name, trouble in (("a", before_it_reads(freeze)), ("b", after_first_commit(restart))):
        send_large(mortal, name)
        with trouble:
            assert mortal.extract().messages == N
        mortal.check()


def test_messages_deleted_while_they_are_read_stop_the_run_and_the_next_names_them(
    stream: Stream,
) -> None:
    send_large(stream, "a")
    with after_first_commit(lambda: stream.delete_before(N - 5)):
        failed(stream, OffsetGapError, r"\[0\]: messages were deleted while .* Run again")
    landed = stream.lake.count("interactions")
    assert 0 < landed < N - 5
    gap = f"[0]: offsets {landed} to {N - 6} are gone ({N - 5 - landed} lost)"
    with pytest.raises(OffsetGapError) as told:
        stream.extract()
    assert gap in str(told.value)
    assert stream.extract(accept_data_loss=True).gaps == [stream.topic + gap]
    stream.lose(f"a-{lost}" for lost in range(landed, N - 5))
    stream.check()
    assert stream.extract().messages == 0


def test_a_topic_deleted_while_it_is_read_is_a_bounded_wait(stream: Stream) -> None:
    wait_at_most(stream, TIMEOUT_S)
    send_large(stream, "a")
    with after_first_commit(stream.delete):
        assert failed(stream, NotReadyError, "Can't read Kafka topic") < 5 * TIMEOUT_S
    landed = stream.lake.count("interactions")
    assert 0 < landed < N
    stream.lose(f"a-{lost}" for lost in range(landed, N))
    stream.check()


def test_a_topic_created_anew_while_it_is_read_is_not_taken_for_the_old_one(
    stream: Stream,
) -> None:
    send_large(stream, "old")

    def recreate() -> None:
        stream.recreate()
        for tenth in range(10):
            stream.send_events(f"new-{tenth}", N // 10, padding="x" * 30_000)
            stream.send([b"{"], reason="invalid_json")

    with after_first_commit(recreate):
        failed(stream, OffsetGapError, "created again while it was being read")
    failed(stream, OffsetGapError, "was deleted and created again, extracted before")
    stream.extract(accept_data_loss=True)
    lost = stream.events.keys() - set(stream.landed())
    stream.lose(event_id for event_id in lost if event_id.startswith("old"))
    stream.check()


def test_partitions_added_while_it_is_read_are_read_by_the_next_run(stream: Stream) -> None:
    stream.send_events("three", 60)

    def widen() -> None:
        stream.add_partitions(6)
        stream.send_events("six", 5, partition=5)

    with after_first_commit(widen):
        assert stream.extract().messages == 60
    assert stream.extract().messages == 5
    stream.check()
