"""How far the lake is behind Kafka, and whether Kafka still has what the lake lacks."""

from dataclasses import dataclass

from movie_recommender import events, kafka
from movie_recommender.extract.plan import plan
from movie_recommender.extract.source import Source
from movie_recommender.extract.topic import topic_number
from movie_recommender.lake import Lake, id_app
from movie_recommender.settings import Settings


@dataclass(frozen=True)
class TopicLag:
    """One topic beside its table.

    Attributes:
        topic: as in `events.CONTRACTS`.
        on_broker: whether the broker has it.
        messages: offsets that extraction would read now, a transaction's markers among them.
        gaps: what extraction would refuse to go past: a sentence for each partition.
    """

    topic: str
    on_broker: bool
    messages: int = 0
    gaps: tuple[str, ...] = ()


def lags(settings: Settings) -> list[TopicLag]:
    """Each topic's lag, in the order of `events.CONTRACTS`; nothing is read or committed.

    Raises:
        NotReadyError: the broker doesn't answer in time.
        StorageError: the lake can't be read.
        ConfigurationError: the client refuses the security settings.
    """
    available = kafka.partitions(settings)
    lake = Lake(settings.data_lake_path)
    with Source(settings) as source:
        return [
            _lag(settings, lake, source, topic, available.get(kafka.topic_name(settings, topic)))
            for topic in events.CONTRACTS
        ]


def _lag(
    settings: Settings, lake: Lake, source: Source, topic: str, n_partitions: int | None
) -> TopicLag:
    if n_partitions is None:
        return TopicLag(topic, on_broker=False)
    name = kafka.topic_name(settings, topic)
    number = topic_number(kafka.topic_id(settings, name))
    planned = plan(
        name,
        lake.offsets(topic, name, range(n_partitions)),
        source.watermarks(name, n_partitions),
        recreated=lake.transaction(topic, id_app(name)) not in (None, number),
    )
    n_messages = sum(planned.ends[p] - start for p, start in planned.starts.items())
    return TopicLag(topic, on_broker=True, messages=n_messages, gaps=planned.gaps)
