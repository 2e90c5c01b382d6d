"""Whether this machine's clock agrees with the servers': a day ends by it."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import httpx
from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]

from movie_recommender import kafka
from movie_recommender.doctor.finding import PATIENCE_S, Case, Finding, Status
from movie_recommender.errors import MovieRecommenderError
from movie_recommender.events import CONTRACTS

TOLERABLE = timedelta(seconds=5)
"""Above it a warning; a header's date is whole seconds, and the answer takes its time."""
WRONG = timedelta(minutes=5)

_REMEDY = "Have all machines ask the same time server (chrony, systemd-timesyncd)."


def check(case: Case) -> list[Finding]:
    """How far the clock is from MLflow's, serving's, and Kafka's newest message."""
    found = dict(_http_skews(case))
    ahead = _kafka_ahead(case)
    if ahead is not None:
        found["Kafka's newest message"] = ahead
    if not found:
        text = "no server has told its time"
        return [Finding("clock", "warn", text, "See what is said about MLflow and serving.")]
    worst = max(found.values(), key=abs)
    told = ", ".join(f"{name} {skew.total_seconds():+.0f} s" for name, skew in found.items())
    status: Status = "ok" if abs(worst) <= TOLERABLE else "warn" if abs(worst) < WRONG else "fail"
    text = f"the others' clocks against this one: {told}"
    return [Finding("clock", status, text, "" if status == "ok" else _REMEDY)]


def _http_skews(case: Case) -> Iterator[tuple[str, timedelta]]:
    """Servers that answer with a date, and how far it is ahead of the middle of the request."""
    urls = {
        "MLflow": f"{case.settings.mlflow_tracking_uri}/health",
        "serving": f"{case.settings.serving_url}/health" if case.settings.serving_url else "",
    }
    for name, url in urls.items():
        if not url:
            continue
        before = case.clock()
        try:
            answer = httpx.get(url, timeout=PATIENCE_S)
            date = parsedate_to_datetime(answer.headers["date"])
        except (httpx.HTTPError, KeyError, ValueError):
            continue  # whether it answers is another check's question
        after = case.clock()
        yield name, date - (before + (after - before) / 2)


def _kafka_ahead(case: Case) -> timedelta | None:
    """How far the newest message is ahead of this clock; None: it isn't, or nobody answers."""
    settings = case.hurried
    try:
        there = kafka.partitions(settings)
        names = [kafka.topic_name(settings, topic) for topic in CONTRACTS]
        newest = OffsetSpec.max_timestamp()  # type: ignore[no-untyped-call]
        wanted = {
            TopicPartition(name, partition): newest
            for name in names
            for partition in range(there.get(name, 0))
        }
        if not wanted:
            return None
        admin = AdminClient(kafka.client_config(settings))
        answers = admin.list_offsets(wanted, request_timeout=PATIENCE_S).values()
        newest_ms = max(answer.result(timeout=PATIENCE_S).timestamp for answer in answers)
    except (KafkaException, MovieRecommenderError, TimeoutError):
        return None
    ahead = datetime.fromtimestamp(newest_ms / 1000, UTC) - case.clock()
    return ahead if newest_ms > 0 and ahead > timedelta(0) else None
