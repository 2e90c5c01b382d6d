"""Kafka: what waits in each topic, and what is lost."""

from collections.abc import Mapping
from dataclasses import dataclass

from movie_recommender.extract.lag import TopicLag, lags
from movie_recommender.settings import Settings

TIMEOUT_S = 5.0
"""Whoever looks waits no longer for one answer of the broker."""


@dataclass(frozen=True)
class KafkaFacts:
    """The lag of each topic, by its name in `events.CONTRACTS`."""

    topics: Mapping[str, TopicLag]

    @property
    def messages(self) -> int:
        """That wait in all topics."""
        return sum(topic.messages for topic in self.topics.values())

    @property
    def gaps(self) -> list[str]:
        """What extraction would refuse to go past, a sentence each."""
        return [gap for topic in self.topics.values() for gap in topic.gaps]


def read(settings: Settings) -> KafkaFacts:
    """The broker's end offsets less those that the lake has committed.

    Raises:
        NotReadyError: the broker doesn't answer.
        StorageError: the lake can't be read.
        ConfigurationError: the client refuses the security settings.
    """
    timeout_s = min(TIMEOUT_S, settings.kafka_timeout_s)
    found = lags(settings.model_copy(update={"kafka_timeout_s": timeout_s}))
    return KafkaFacts({topic.topic: topic for topic in found})
