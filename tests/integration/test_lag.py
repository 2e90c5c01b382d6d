"""The lake's lag behind a real broker."""

import pytest

from movie_recommender import extract
from movie_recommender.errors import NotReadyError
from movie_recommender.extract.lag import TopicLag, lags
from movie_recommender.monitoring import topics
from movie_recommender.settings import Settings
from tests.conftest import own_settings
from tests.stream import NOW, Stream

pytestmark = pytest.mark.integration


def interactions(settings: Settings) -> TopicLag:
    return next(lag for lag in lags(settings) if lag.topic == "interactions")


def test_what_extraction_has_not_taken_is_counted(stream: Stream) -> None:
    assert [(lag.topic, lag.on_broker, lag.messages) for lag in lags(stream.settings)] == [
        ("users", True, 0),
        ("movies", True, 0),
        ("interactions", True, 0),
    ]
    stream.send_events("a", 7, 0)
    stream.send_events("b", 3, 2)
    assert interactions(stream.settings) == TopicLag("interactions", True, 10)
    stream.extract()
    assert interactions(stream.settings).messages == 0
    stream.send([b"{"], 1, reason="malformed")
    assert topics.read(stream.settings).messages == 1


def test_what_is_lost_is_told_before_extraction_stops_at_it(stream: Stream) -> None:
    stream.send_events("a", 10)
    stream.extract()
    stream.send_events("b", 10)
    stream.delete_before(15)
    found = interactions(stream.settings)
    assert found.messages == 5
    assert found.gaps == (f"{stream.topic}[0]: offsets 10 to 14 are gone (5 lost)",)
    extract.run(stream.settings, now=NOW, accept_data_loss=True)
    assert interactions(stream.settings).gaps == ()


def test_a_topic_that_was_made_anew_is_told(stream: Stream) -> None:
    stream.send_events("a", 4)
    stream.extract()
    stream.recreate()
    (gap,) = topics.read(stream.settings).gaps
    assert "was deleted and created again" in gap


def test_a_broker_without_the_topics_is_no_error(kafka: str, tmp_path) -> None:  # type: ignore[no-untyped-def]
    found = topics.read(own_settings(kafka, tmp_path))
    assert [topic.on_broker for topic in found.topics.values()] == [False] * 3
    assert found.messages == 0


def test_a_broker_that_is_gone_is_told(settings: Settings) -> None:
    gone = settings.model_copy(
        update={"kafka_bootstrap_servers": "127.0.0.1:9", "kafka_timeout_s": 0.5}
    )
    with pytest.raises(NotReadyError, match=r"within 0\.5 s"):
        topics.read(gone)
