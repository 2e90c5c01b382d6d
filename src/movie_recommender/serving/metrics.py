"""What Prometheus is told; the workers' counters are added up where they are read.

With `PROMETHEUS_MULTIPROC_DIR` set before this is imported, each process keeps its counters in a
file there.
"""

from pathlib import Path

from prometheus_client import (
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector

_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)

SECONDS = Histogram(
    "serving_request_seconds", "Time to an answer, by route.", ["route"], buckets=_SECONDS
)
ANSWERS = Counter(
    "serving_answers_total", "Lists by their reason and the model's version.", ["reason", "version"]
)
RESPONSES = Counter("serving_responses_total", "Answers by route and status.", ["route", "status"])
CACHE = Counter("serving_cache_total", "Lists by whether they were kept: hit or miss.", ["result"])
LAG = Histogram("serving_feedback_lag_seconds", "From feedback's arrival to Kafka's confirmation.")
IMPRESSIONS = Counter(
    "serving_impressions_total", "Movies shown, by what became of the event.", ["state"]
)
SHADOW_LISTS = Counter(
    "serving_shadow_lists_total", "Lists for the shadow, by what became of them.", ["state"]
)
SHADOW_AGREEMENT = Histogram(
    "serving_shadow_agreement",
    "Share of a shown list's movies that the shadow's list has, too.",
    ["production", "shadow"],
    buckets=[tenth / 10 for tenth in range(11)],
)
SHADOW_SECONDS = Histogram(
    "serving_shadow_seconds", "Time to rank a list by the shadow.", ["shadow"], buckets=_SECONDS
)
SHADOW_LIKES = Counter(
    "serving_shadow_likes_total",
    "Movies liked after a list was ranked twice, by whose list has them.",
    ["production", "shadow", "list"],
)
MODEL = Gauge("serving_model_version", "Lowest that a worker serves.", multiprocess_mode="livemin")
NEWEST_MODEL = Gauge(
    "serving_model_version_newest",
    "Highest that a worker serves; another one: they don't agree.",
    multiprocess_mode="livemax",
)


def exposition(directory: Path | None) -> bytes:
    """All counters in Prometheus' text format.

    Args:
        directory: where several processes keep theirs; None: this one's alone.
    """
    return generate_latest(counted(directory))


def counted(directory: Path | None) -> CollectorRegistry:
    """All counters, to be collected; `directory` as of `exposition`."""
    if directory is None:
        return REGISTRY
    registry = CollectorRegistry()
    MultiProcessCollector(registry, path=str(directory))  # type: ignore[no-untyped-call]
    return registry
