from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from movie_recommender.extract.lag import TopicLag
from movie_recommender.lake import Freshness
from movie_recommender.monitoring import Facts, needs_care
from movie_recommender.monitoring.dag import TaskFacts
from movie_recommender.monitoring.lake import LakeFacts
from movie_recommender.monitoring.model import UNCONFIRMED, ModelFacts
from movie_recommender.monitoring.reading import Part
from movie_recommender.monitoring.topics import KafkaFacts
from movie_recommender.registry import promotion
from movie_recommender.settings import load_settings
from tests.unit.monitoring.worlds import (
    MIDNIGHT,
    NIGHT,
    NOW,
    OLDER,
    PRODUCTION,
    RUN,
    VALUES,
    gone,
    spoiled,
    table,
    well,
)

SETTINGS = load_settings()
DAYS = timedelta(days=1)


def lake(rows: int = 1_000, dead: int = 10, **fields: Any) -> Facts:
    tables = {"users": replace(table(rows), **fields), "dead_letters": table(dead)}
    return well(lake=LakeFacts(tables))


def model(**fields: Any) -> Facts:
    return well(model=ModelFacts([replace(PRODUCTION, **fields)]))


def kafka(**fields: Any) -> Facts:
    topics = {"users": TopicLag("users", **{"on_broker": True, **fields})}
    return well(kafka=KafkaFacts(topics))


def run(**fields: Any) -> Facts:
    return spoiled("airflow", last=replace(RUN, **fields))


FAILED = {"state": "failed", "tasks": [TaskFacts("train_model", "failed", 9.0), *RUN.tasks]}

CASES: list[tuple[Facts, str, str, str]] = [
    (well(lake=LakeFacts({})), "lake", "No event", "extract"),
    (
        well(lake=LakeFacts({"users": Freshness(0, 0, None, None)})),
        "lake",
        "No event has landed",
        "extract",
    ),
    (lake(newest_arrival=NOW - 2 * DAYS), "lake", "landed 2.0 days ago", "extract"),
    (lake(newest_event=NOW - 2 * DAYS), "lake", "happened 2.0 days ago", "who sends"),
    (lake(dead=100), "lake", "9.1% of the messages are dead letters", "dead-letters list"),
    (kafka(on_broker=False), "kafka", "no topic for users", "KAFKA_TOPIC_PREFIX"),
    (kafka(gaps=("users[0]: offsets 1 to 2 are gone (2 lost)",)), "kafka", "1 to 2", "accept"),
    (spoiled("features", as_of=MIDNIGHT - 2 * DAYS), "features", "features end", "features"),
    (
        spoiled("features", warnings={"drift.hour": "drift.hour is broken: PSI 0.3."}),
        "features",
        "drift.hour is broken",
        "feature_store.quality.html",
    ),
    (well(model=ModelFacts([])), "model", "No model is in production", "recommender train"),
    (well(model=ModelFacts([OLDER])), "model", "No model is in production", "promote VERSION"),
    (model(unconfirmed=True), "model", "Version 4 was promoted", "promote 4"),
    (model(gate_passed=False), "model", "didn't pass its newest evaluation", "rollback"),
    (model(created=NOW - 16 * DAYS), "model", "16.0 days old, expected at most 15.0", "models"),
    (spoiled("serving", ready=False), "serving", "no model", "models"),
    (
        spoiled("serving", degraded=["kafka: gone"]),
        "serving",
        "misses something: kafka: gone",
        "doctor",
    ),
    (spoiled("serving", worker_versions=[4, 3]), "serving", "versions [4, 3]", "again"),
    (spoiled("serving", version=3, worker_versions=[3]), "serving", "production is 4", "again"),
    (spoiled("airflow", healthy={"triggerer": False}), "airflow", "triggerer isn't", "log"),
    (spoiled("airflow", paused=True), "airflow", "paused", "un-pause"),
    (spoiled("airflow", last=None), "airflow", "No run has ended", "trigger"),
    (
        spoiled("airflow", running=replace(RUN, queued=NOW - timedelta(hours=7))),
        "airflow",
        "under way for 7.0 h, expected at most 6.0 h",
        "which takes long",
    ),
    (run(**FAILED), "airflow", "failed: train_model", "clear"),
    (run(ended=NIGHT - 2 * DAYS), "airflow", "last run ended 2.3 days ago", "Airflow"),
]


def test_where_all_is_well_nothing_needs_care() -> None:
    assert needs_care(well(), SETTINGS) == []


@pytest.mark.parametrize(("facts", "part", "what", "do"), CASES)
def test_what_is_wrong_is_named_with_what_to_do(
    facts: Facts, part: str, what: str, do: str
) -> None:
    (care,) = needs_care(facts, SETTINGS)
    assert care.part == part
    assert what in care.what
    assert do in care.do


def test_a_part_that_cannot_be_read_needs_care_and_one_left_out_does_not() -> None:
    named = {each.part: each.what for each in needs_care(gone(*VALUES), SETTINGS)}
    assert named == {name: f"{name} is down." for name in VALUES}
    out = Part(None)
    assert needs_care(well(serving=out, airflow=out), SETTINGS) == []


def test_the_limits_are_settings() -> None:
    patient = load_settings(max_age_hours=1_000, max_model_age_days=100, max_dead_letter_share=1)
    for facts in (
        lake(newest_arrival=NOW - 2 * DAYS),
        lake(dead=100),
        spoiled("features", as_of=MIDNIGHT - 2 * DAYS),
        model(created=NOW - 16 * DAYS),
        run(ended=NIGHT - 2 * DAYS),
    ):
        assert needs_care(facts, SETTINGS)
        assert needs_care(facts, patient) == []


def test_an_unconfirmed_promotion_is_known_by_the_registry_s_own_tag() -> None:
    assert UNCONFIRMED == promotion.UNCONFIRMED
