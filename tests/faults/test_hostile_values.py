"""What an event says is data: SQL, paths and markup in it end as the text that they are."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime

import pytest

from movie_recommender import events, extract, features, kafka
from movie_recommender.features.lookup import show
from movie_recommender.lake import Lake
from movie_recommender.settings import Settings
from movie_recommender.simulation.encode import Messages
from movie_recommender.simulation.sink import Sink

pytestmark = pytest.mark.integration

NOW = datetime(2026, 2, 1, 12, tzinfo=UTC)
AS_OF = datetime(2026, 2, 2, tzinfo=UTC)

HOSTILE = [
    "'); DROP TABLE interactions; --",
    "' OR '1'='1",
    "\"; ATTACH '{stolen}' AS thief; --",
    "x'); COPY (SELECT 1) TO '{stolen}'; --",
    "' || read_text('/etc/passwd') || '",
    "$$; INSTALL httpfs; $$",
    "../../etc/passwd",
    "{{ 7 * 7 }} ${HOME} $(id) `id`",
    "<script>alert(1)</script> <!channel>",
    "\\u0000-free \u202e right to left, \u2028 line, 'quote\" and \\ back",
    "NULL",
    "🎬" * 20,
]
"""`{stolen}` is a file that a statement would write."""


@pytest.fixture
def hostile(settings: Settings, tmp_path) -> list[str]:
    """The values, each in a message of its own, in every text field of the three topics."""
    values = [value.replace("{stolen}", str(tmp_path / "stolen")) for value in HOSTILE]
    kafka.ensure_topics(settings, dict.fromkeys(events.CONTRACTS, 1))
    sink = Sink(settings)
    for topic, contract in events.CONTRACTS.items():
        rows = [event(contract, number, value) for number, value in enumerate(values)]
        sink.send(Messages(topic, [b"k"] * len(rows), [json.dumps(row).encode() for row in rows]))
    return values


def event(contract: events.Contract, number: int, value: str) -> dict[str, object]:
    """A valid event whose texts are `value`, as is the name of a field that nobody knows."""
    row: dict[str, object] = {
        "event_id": f"{number}-{value}"[:64],
        "event_type": {"users": "user", "movies": "movie", "interactions": "search"}[
            contract.topic
        ],
        "event_time": "2026-01-31T10:00:00Z",
        "schema_version": 1,
        contract.key: number,
        value: value,
    }
    for field in contract.fields:
        if field.name in row or field.name == "release_date":
            continue
        if str(field.type) == "string":
            row[field.name] = value[: field.max_length]
        elif str(field.type).startswith("list"):
            row[field.name] = [value]
    if contract.topic == "interactions":
        row["user_id"] = number
    return row


def texts(settings: Settings, topic: str, column: str) -> Iterable[object]:
    table = Lake(settings.data_lake_path).dataset(topic).to_table(columns=[column])
    return table[column].to_pylist()


def test_it_is_stored_as_the_text_that_it_is_and_nothing_else_happens(
    settings: Settings, hostile: list[str], tmp_path
) -> None:
    found = extract.run(settings, now=NOW)
    assert found.rows == dict.fromkeys(events.CONTRACTS, len(hostile))
    assert found.dead_letters == 0
    assert sorted(texts(settings, "movies", "title")) == sorted(hostile)
    assert sorted(texts(settings, "interactions", "query")) == sorted(hostile)
    assert sorted(texts(settings, "users", "country")) == sorted(v[:64] for v in hostile)
    kept = [json.loads(str(extra)) for extra in texts(settings, "movies", "extra")]
    assert sorted(kept, key=str) == sorted(({value: value} for value in hostile), key=str)

    built = features.run(settings, as_of=AS_OF)
    assert built.snapshot_id
    shown = show(settings, users=range(len(hostile)), movies=range(len(hostile)))
    assert [movie["title"] for movie in shown.movies] == hostile
    assert [movie["genres"] for movie in shown.movies] == [[value] for value in hostile]
    assert not (tmp_path / "stolen").exists()
    assert settings.feature_store_path.exists()
