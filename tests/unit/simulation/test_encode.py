import json
from datetime import UTC, date, datetime

import pyarrow as pa

from movie_recommender import events
from movie_recommender.simulation import interactions_of_day, make_world, movie_events
from movie_recommender.simulation.encode import encode


def decoded(topic: str, table: pa.Table) -> list[dict[str, object]]:
    return [json.loads(value) for value in encode(topic, table).values]


def test_messages_say_what_the_rows_say_in_their_order() -> None:
    table = pa.concat_tables(interactions_of_day(make_world(1, 30, 40), date(2026, 3, 1)))
    rows = [
        {name: value for name, value in row.items() if value is not None}
        for row in table.to_pylist()
    ]
    read = decoded("interactions", table)
    for event in read:
        time = str(event["event_time"])
        assert time.endswith("Z")
        event["event_time"] = datetime.fromisoformat(time)
    assert read == rows
    keys = encode("interactions", table).keys
    assert keys == [b"%d" % user for user in table["user_id"].to_pylist()]


def test_lists_quotes_and_foreign_letters_survive() -> None:
    table = movie_events(make_world(1, 1, 20), date(2026, 3, 1)).slice(0, 1)
    title = 'Amélie, "the" {"year":null} \\ \n 愛'
    position = table.column_names.index("title")
    table = table.set_column(position, "title", pa.array([title]))
    [event] = decoded("movies", table)
    assert event["title"] == title
    assert event["genres"] == table["genres"][0].as_py()


def test_further_columns_are_written_and_nulls_left_out() -> None:
    table = pa.table(
        {
            "event_id": ["a", "b"],
            "event_type": ["user", "user"],
            "event_time": pa.array([datetime(2026, 1, 1, tzinfo=UTC)] * 2, events.INSTANT),
            "schema_version": pa.array([1, 1], pa.int32()),
            "user_id": [1, 2],
            "age": pa.array([None, 25], pa.int32()),
            "gender": ["F", "M"],
        }
    )
    first, second = decoded("users", table)
    assert "age" not in first
    assert (second["age"], second["gender"]) == (25, "M")
    assert first["event_time"] == "2026-01-01T00:00:00.000000Z"


def test_no_rows_give_no_messages() -> None:
    assert len(encode("interactions", events.INTERACTIONS.schema.empty_table())) == 0
