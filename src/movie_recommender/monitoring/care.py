"""What needs care, and by which command: the rules that `status` holds the facts against."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from movie_recommender.monitoring.dag import AirflowFacts
from movie_recommender.monitoring.facts import Facts
from movie_recommender.monitoring.lake import LakeFacts
from movie_recommender.monitoring.model import ModelFacts
from movie_recommender.monitoring.serving import ServingFacts
from movie_recommender.monitoring.snapshot import SnapshotFacts
from movie_recommender.monitoring.topics import KafkaFacts
from movie_recommender.settings import Settings


@dataclass(frozen=True)
class Care:
    """Something that a person should look after.

    Attributes:
        part: of the pipeline, as in `Facts`.
        what: was seen, with what was expected.
        do: the command, or where to look.
    """

    part: str
    what: str
    do: str


Rule = Callable[[Any, datetime, Settings], Iterator[tuple[str, str]]]
"""From a part's facts: what was seen, what to do."""


def needs_care(facts: Facts, settings: Settings) -> list[Care]:
    """What needs care, in the order in which an event walks; empty: all is well."""
    found = []
    for name, part in facts.parts.items():
        if part.problem is not None:
            found.append(Care(name, part.problem, "movie-recommender doctor"))
        elif part.value is not None:
            rule = _RULES[name]
            found += [Care(name, *each) for each in rule(part.value, facts.at, settings)]
    found += [Care("serving", *each) for each in _another_version(facts)]
    return found


def in_words(duration: timedelta) -> str:
    """`duration` in the largest unit of which it has two.

    >>> [in_words(timedelta(seconds=s)) for s in (40, 5_400, 260_000)]
    ['40 s', '90.0 min', '3.0 days']
    """
    seconds = duration.total_seconds()
    for unit, size in (("days", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"


def _lake(lake: LakeFacts, now: datetime, settings: Settings) -> Iterator[tuple[str, str]]:
    if lake.newest_arrival is None or lake.newest_event is None:
        yield "No event has landed yet.", "movie-recommender extract"
        return
    extract = "look at the last run in Airflow, or: movie-recommender extract"
    yield from _too_old("The newest event landed", lake.newest_arrival, now, settings, extract)
    late = "ask who sends the events: what arrives is old"
    yield from _too_old("The newest event happened", lake.newest_event, now, settings, late)
    if lake.dead_letter_share > settings.max_dead_letter_share:
        what = (
            f"{lake.dead_letter_share:.1%} of the messages are dead letters, expected at most "
            f"{settings.max_dead_letter_share:.1%}."
        )
        yield what, "movie-recommender dead-letters list"


def _kafka(kafka: KafkaFacts, _: datetime, __: Settings) -> Iterator[tuple[str, str]]:
    for topic in kafka.topics.values():
        if not topic.on_broker:
            what = f"The broker has no topic for {topic.topic}."
            yield what, "send an event, or correct KAFKA_TOPIC_PREFIX"
    for gap in kafka.gaps:
        do = "restore the events, or: movie-recommender extract --accept-data-loss"
        yield f"Kafka no longer holds {gap}.", do


def _features(found: SnapshotFacts, now: datetime, settings: Settings) -> Iterator[tuple[str, str]]:
    build = "look at the last run in Airflow, or: movie-recommender features"
    yield from _too_old("The published features end", found.as_of, now, settings, build)
    for warning in found.warnings.values():
        page = settings.feature_store_path.with_suffix(".quality.html")
        yield warning, f"look at {page}"


def _model(model: ModelFacts, now: datetime, settings: Settings) -> Iterator[tuple[str, str]]:
    current = model.production
    if current is None:
        promote = "movie-recommender models, then: movie-recommender promote VERSION"
        yield "No model is in production.", promote if model.versions else "movie-recommender train"
        return
    if current.unconfirmed:
        what = f"Version {current.version} was promoted and serving hasn't confirmed it."
        yield what, f"movie-recommender promote {current.version}"
    if current.gate_passed is False:
        what = f"Version {current.version} is in production and didn't pass its newest evaluation."
        yield what, "look at its report in MLflow; the way back: movie-recommender rollback"
    age, limit = now - current.created, timedelta(days=settings.max_model_age_days)
    if age > limit:
        what = f"The production model is {in_words(age)} old, expected at most {in_words(limit)}."
        yield what, "look at the last gate's reasons; movie-recommender models"


def _serving(serving: ServingFacts, _: datetime, __: Settings) -> Iterator[tuple[str, str]]:
    if not serving.ready:
        yield "Serving has no model: no list is answered.", "movie-recommender models"
    for text in serving.degraded:
        yield f"Serving misses something: {text}.", "movie-recommender doctor"
    if len(set(serving.worker_versions)) > 1:
        what = f"Serving's workers have versions {list(serving.worker_versions)}, expected one."
        yield what, "look again in a few seconds; then at serving's log"


def _airflow(airflow: AirflowFacts, now: datetime, settings: Settings) -> Iterator[tuple[str, str]]:
    for name, healthy in airflow.healthy.items():
        if not healthy:
            yield f"Airflow's {name} isn't healthy.", "look at its log"
    last = airflow.last
    if airflow.paused:
        yield "The DAG is paused: no run starts by itself.", "un-pause it in Airflow"
    running = airflow.running
    if running is not None and now - running.queued > settings.sla_run:
        under_way, limit = in_words(now - running.queued), in_words(settings.sla_run)
        what = f"Run {running.run_id} is under way for {under_way}, expected at most {limit}."
        yield what, "look at its tasks in Airflow: which takes long, which waits"
    if last is None or last.ended is None:
        yield "No run has ended yet.", "trigger one in Airflow"
        return
    if last.state == "failed":
        what = f"The last run, {last.run_id}, failed: {', '.join(last.failed_tasks) or 'no task'}."
        yield what, "look at the tasks' logs in Airflow, then clear them"
    yield from _too_old("The last run ended", last.ended, now, settings, "look at Airflow")


def _another_version(facts: Facts) -> Iterator[tuple[str, str]]:
    serving, model = facts.serving.value, facts.model.value
    production = model and model.production
    if serving and serving.ready and production and serving.version != production.version:
        what = f"Serving has version {serving.version}, production is {production.version}."
        yield what, "look again in a few seconds; then at serving's log"


def _too_old(
    what: str, then: datetime, now: datetime, settings: Settings, do: str
) -> Iterator[tuple[str, str]]:
    age, limit = now - then, timedelta(hours=settings.max_age_hours)
    if age > limit:
        yield f"{what} {in_words(age)} ago, expected at most {in_words(limit)}.", do


_RULES: Mapping[str, Rule] = {
    "lake": _lake,
    "kafka": _kafka,
    "features": _features,
    "model": _model,
    "serving": _serving,
    "airflow": _airflow,
}
