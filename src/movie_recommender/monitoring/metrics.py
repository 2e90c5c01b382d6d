"""The facts under the names that Prometheus keeps them by.

All are gauges: they say how things are. What a process counts by itself is at its own `/metrics`.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

from prometheus_client.core import GaugeMetricFamily, Metric

from movie_recommender.monitoring.dag import AirflowFacts
from movie_recommender.monitoring.facts import Facts
from movie_recommender.monitoring.lake import LakeFacts
from movie_recommender.monitoring.model import ModelFacts
from movie_recommender.monitoring.serving import ServingFacts
from movie_recommender.monitoring.snapshot import SnapshotFacts
from movie_recommender.monitoring.topics import KafkaFacts
from movie_recommender.settings import Settings

PREFIX = "movie_recommender_"

Samples = Mapping[Any, float | datetime | None]
"""Values by a tuple of those of the labels; None: nothing is known, no sample."""

DRIFT_LEVELS = {"none": 0, "some": 1, "strong": 2}


def metrics_of(facts: Facts) -> Iterator[Metric]:
    """Every metric that there is something to say of.

    A part that couldn't be read has `part_up` 0 and no other sample; one that isn't configured has
    none at all.
    """
    told = {(n,): p for n, p in facts.parts.items() if p.problem is not None or p.value is not None}
    up = {name: part.problem is None for name, part in told.items()}
    seconds = {name: part.seconds for name, part in told.items()}
    yield _gauge("facts_timestamp_seconds", "When these facts were read.", {(): facts.at})
    yield _gauge("part_up", "Whether the part could be read.", up, "part")
    yield _gauge("part_read_seconds", "How long that took.", seconds, "part")
    for name, part in facts.parts.items():
        if part.value is not None:
            yield from _OF_PART[name](part.value)


def limits_of(settings: Settings) -> Iterator[Metric]:
    """What `status` holds the facts against: the rules need no numbers of their own."""
    hours, days = settings.max_age_hours, settings.max_model_age_days
    share = settings.max_dead_letter_share
    yield _gauge("max_age_seconds", "MAX_AGE_HOURS.", {(): hours * 3_600})
    yield _gauge("max_model_age_seconds", "MAX_MODEL_AGE_DAYS.", {(): days * 86_400})
    yield _gauge("max_dead_letter_ratio", "MAX_DEAD_LETTER_SHARE.", {(): share})
    yield _gauge("max_run_seconds", "SLA_RUN.", {(): settings.sla_run.total_seconds()})


def _gauge(name: str, about: str, samples: Samples, *labels: str) -> Metric:
    family = GaugeMetricFamily(PREFIX + name, about, labels=labels)
    for values, value in samples.items():
        if value is not None:
            family.add_metric(values, _number(value))
    return family


def _number(value: float | datetime) -> float:
    return value.timestamp() if isinstance(value, datetime) else float(value)


def _lake(lake: LakeFacts) -> Iterator[Metric]:
    tables = {(name,): table for name, table in lake.tables.items()}

    def of(field: str) -> Samples:
        return {name: getattr(table, field) for name, table in tables.items()}

    yield _gauge("lake_rows", "Rows of the lake's table.", of("rows"), "table")
    yield _gauge(
        "lake_newest_event_timestamp_seconds",
        "When the table's newest event happened.",
        of("newest_event"),
        "table",
    )
    yield _gauge(
        "lake_newest_arrival_timestamp_seconds",
        "When the table's newest row landed.",
        of("newest_arrival"),
        "table",
    )


def _kafka(kafka: KafkaFacts) -> Iterator[Metric]:
    topics = {(name,): topic for name, topic in kafka.topics.items()}
    waiting = {name: topic.messages if topic.on_broker else None for name, topic in topics.items()}
    lost = {name: len(topic.gaps) for name, topic in topics.items()}
    yield _gauge("kafka_lag_messages", "Messages that extraction hasn't taken.", waiting, "topic")
    yield _gauge(
        "kafka_lost_partitions",
        "Partitions that no longer hold what extraction hasn't taken.",
        lost,
        "topic",
    )


def _features(found: SnapshotFacts) -> Iterator[Metric]:
    rows = {(table,): count for table, count in found.rows.items()}
    warnings = {(rule,): 1 for rule in found.warnings}
    drift = {(feature,): one.value for feature, one in found.drift.items()}
    levels = {(feature,): DRIFT_LEVELS[one.level] for feature, one in found.drift.items()}
    yield _gauge(
        "features_as_of_timestamp_seconds",
        "The published snapshot knows events before this.",
        {(): found.as_of},
    )
    yield _gauge("features_rows", "Rows of the snapshot's table.", rows, "table")
    yield _gauge("features_warnings", "Quality rules that are broken.", {(): len(found.warnings)})
    yield _gauge("features_rule_broken", "1 for each of them.", warnings, "rule")
    yield _gauge(
        "features_drift",
        "PSI, of genres Jensen-Shannon distance, from what production had learned from.",
        drift,
        "feature",
    )
    yield _gauge("features_drift_level", "0 none, 1 some, 2 strong.", levels, "feature")


def _model(model: ModelFacts) -> Iterator[Metric]:
    used = {(alias,): one for one in model.versions for alias in one.aliases}
    named = {(str(one.version), ",".join(one.aliases)): one for one in model.versions}
    metrics = {
        (*name, metric): value
        for name, one in named.items()
        for metric, value in one.metrics.items()
    }
    passed = {name: one.gate_passed for name, one in named.items()}
    unconfirmed = model.production is not None and model.production.unconfirmed
    yield _gauge(
        "model_version",
        "Version that the alias points to.",
        {alias: one.version for alias, one in used.items()},
        "alias",
    )
    yield _gauge(
        "model_created_timestamp_seconds",
        "When that version was registered.",
        {alias: one.created for alias, one in used.items()},
        "alias",
    )
    yield _gauge(
        "model_metric",
        "Of the version's newest evaluation; the newest versions and those in use.",
        metrics,
        "version",
        "alias",
        "metric",
    )
    yield _gauge("model_gate_passed", "The newest verdict on it.", passed, "version", "alias")
    yield _gauge(
        "model_unconfirmed", "Production was promoted and isn't confirmed.", {(): unconfirmed}
    )


def _serving(serving: ServingFacts) -> Iterator[Metric]:
    yield _gauge("serving_ready", "Whether lists are answered.", {(): serving.ready})
    yield _gauge("serving_degraded", "Parts that serving misses.", {(): len(serving.degraded)})
    yield _gauge("serving_version", "Version that it answers with.", {(): serving.version})
    yield _gauge(
        "serving_worker_versions",
        "Different versions among its workers; more than 1: they don't agree.",
        {(): len(set(serving.worker_versions))},
    )


def _airflow(airflow: AirflowFacts) -> Iterator[Metric]:
    healthy = {(name,): state for name, state in airflow.healthy.items()}
    last, running = airflow.last, airflow.running
    yield _gauge("airflow_healthy", "Whether the component is.", healthy, "component")
    yield _gauge("dag_paused", "No run starts by itself.", {(): airflow.paused})
    yield _gauge(
        "dag_running_since_timestamp_seconds",
        "When the run that is under way was queued.",
        {(): None if running is None else running.queued},
    )
    if last is None:
        return
    states = {(task.task_id,): task.state == "failed" for task in last.tasks}
    seconds = {(task.task_id,): task.seconds for task in last.tasks}
    yield _gauge("dag_last_run_success", "1: success.", {(): last.state == "success"})
    yield _gauge("dag_last_run_end_timestamp_seconds", "When it ended.", {(): last.ended})
    yield _gauge("dag_last_run_duration_seconds", "How long it took.", {(): last.seconds})
    yield _gauge("dag_last_run_task_failed", "1: it failed.", states, "task")
    yield _gauge("dag_last_run_task_duration_seconds", "Of its last try.", seconds, "task")


_OF_PART: Mapping[str, Callable[[Any], Iterator[Metric]]] = {
    "lake": _lake,
    "kafka": _kafka,
    "features": _features,
    "model": _model,
    "serving": _serving,
    "airflow": _airflow,
}
