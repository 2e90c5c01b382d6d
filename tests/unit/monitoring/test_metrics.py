import math
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from movie_recommender.extract.lag import TopicLag
from movie_recommender.monitoring import Facts
from movie_recommender.monitoring.exporter import LastFacts
from movie_recommender.monitoring.reading import Part
from movie_recommender.monitoring.topics import KafkaFacts
from movie_recommender.settings import load_settings
from tests.unit.monitoring.worlds import MIDNIGHT, NIGHT, NOW, RUN, VALUES, gone, spoiled, well

SETTINGS = load_settings()


def scraped(facts: Facts | None) -> dict[tuple[str, ...], float]:
    """What Prometheus would read: the values by name and label values, in the labels' order."""
    last = LastFacts(SETTINGS)
    last.facts = facts
    registry = CollectorRegistry()
    registry.register(last)
    text = generate_latest(registry).decode()
    return {
        (sample.name.removeprefix("movie_recommender_"), *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_every_fact_has_its_name() -> None:
    found = scraped(well())
    expected: dict[tuple[str, ...], Any] = {
        ("facts_timestamp_seconds",): NOW.timestamp(),
        ("part_up", "lake"): 1,
        ("lake_rows", "interactions"): 1_000,
        ("lake_newest_event_timestamp_seconds", "users"): MIDNIGHT.timestamp() - 1,
        ("lake_newest_arrival_timestamp_seconds", "dead_letters"): NIGHT.timestamp(),
        ("kafka_lag_messages", "users"): 5,
        ("kafka_lost_partitions", "users"): 0,
        ("features_as_of_timestamp_seconds",): MIDNIGHT.timestamp(),
        ("features_drift", "hour"): 0.02,
        ("features_drift_level", "hour"): 0,
        ("features_warnings",): 0,
        ("model_version", "production"): 4,
        ("model_version", "previous"): 3,
        ("model_metric", "production", "ndcg_at_10", "4"): 0.6,
        ("model_metric", "previous", "auc", "3"): 0.8,
        ("model_gate_passed", "production", "4"): 1,
        ("serving_ready",): 1,
        ("serving_worker_versions",): 1,
        ("airflow_healthy", "scheduler"): 1,
        ("dag_last_run_success",): 1,
        ("dag_last_run_task_duration_seconds", "extract_events"): 12.5,
        ("max_age_seconds",): 36 * 3600,
    }
    assert {name: found.get(name) for name in expected} == expected
    assert not any(math.isnan(value) for value in found.values())


def test_what_is_not_known_has_no_sample() -> None:
    found = scraped(well())
    assert ("lake_newest_event_timestamp_seconds", "dead_letters") not in found
    assert ("model_gate_passed", "", "2") not in found
    assert ("dag_running_since_timestamp_seconds",) not in found
    assert ("dag_last_run_task_duration_seconds", "alert_failure") not in found
    absent = KafkaFacts({"users": TopicLag("users", on_broker=False)})
    assert ("kafka_lag_messages", "users") not in scraped(well(kafka=absent))


def test_a_part_that_is_down_says_only_that() -> None:
    found = scraped(gone(*VALUES))
    assert {name: found[("part_up", name)] for name in VALUES} == dict.fromkeys(VALUES, 0)
    others = ("part_up", "part_read_seconds", "facts_timestamp_seconds")
    names = {name for name, *_ in found if not name.startswith("max_")}
    assert names == set(others)


def test_a_part_that_is_left_out_is_not_down() -> None:
    found = scraped(well(airflow=Part(None)))
    assert ("part_up", "airflow") not in found
    assert ("dag_paused",) not in found


def test_the_limits_are_told_before_the_first_look() -> None:
    names = {name for name, *_ in scraped(None)}
    assert names == {
        "max_age_seconds",
        "max_model_age_seconds",
        "max_dead_letter_ratio",
        "max_run_seconds",
    }


def test_a_run_that_is_under_way_is_told_since_when() -> None:
    found = scraped(spoiled("airflow", running=RUN))
    assert found[("dag_running_since_timestamp_seconds",)] == NIGHT.timestamp()
