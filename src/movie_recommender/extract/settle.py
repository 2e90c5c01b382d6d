"""What messages give becomes what the tables are to hold: SQL in the database of `Remade`.

Rows are judged once and stay as they are. What is to be different stands in small tables beside
them, and a view brings both together: to delete one row in a thousand, DuckDB would need memory
for all of them.
"""

from collections.abc import Collection, Sequence

import duckdb

from movie_recommender.lake import DEAD_LETTERS

PLACE = "kafka_topic, kafka_partition, kafka_offset"
SAME_PLACE = " AND ".join(f"one.{column} = other.{column}" for column in PLACE.split(", "))


def settle(
    connection: duckdb.DuckDBPyConnection, topics: Sequence[str], *, with_outside: Collection[str]
) -> dict[str, int]:
    """Define `again_…`, what is to be in place of the lake's rows `inside_…`.

    Args:
        connection: to the database, with what `remade` describes.
        topics: those that were read again.
        with_outside: of those, the ones that have rows outside.

    Returns:
        Of each table, how many of the lake's rows stay though Kafka should give them, but doesn't.
    """
    kept = {topic: _keep(connection, topic, _stray_rows(topic)) for topic in topics}
    kept[DEAD_LETTERS] = _keep(connection, DEAD_LETTERS, _stray_letters(topics))
    for table in (*topics, DEAD_LETTERS):
        _find_moved(connection, table)
        connection.execute(f"CREATE TABLE left_out_{table} (number BIGINT)")
        _define_again(connection, table)
    for topic in topics:
        if topic in with_outside:
            _leave_out_copies_of_others(connection, topic)
        _leave_out_copies(connection, topic)
    return kept


def _define_again(connection: duckdb.DuckDBPyConnection, table: str) -> None:
    time = "coalesce(other.moment, one.ingestion_time)"
    date_too = f", {time}::DATE AS ingestion_date" if table == DEAD_LETTERS else ""
    connection.execute(f"""
        CREATE VIEW again_{table} AS
        SELECT one.* REPLACE ({time} AS ingestion_time{date_too})
        FROM judged_{table} AS one
        ANTI JOIN left_out_{table} AS left_out ON one.rowid = left_out.number
        LEFT JOIN moved_{table} AS other ON {SAME_PLACE}
        UNION ALL FROM kept_{table}
        """)


def _find_moved(connection: duckdb.DuckDBPyConnection, table: str) -> None:
    """Find rows that have another instant in the lake, because another extraction landed them.

    So it is with those that a replay landed, under a contract that has been widened since.
    """
    connection.execute(f"""
        CREATE TABLE moved_{table} AS
        SELECT other.* FROM judged_{table} AS one JOIN (
            SELECT {PLACE}, max(ingestion_time) AS moment FROM places_{table} GROUP BY ALL
        ) AS other ON {SAME_PLACE}
        WHERE one.ingestion_time <> other.moment
        """)


def _stray_rows(topic: str) -> str:
    """SQL of the places of rows whose event isn't given again, neither as a row nor as a letter.

    Their message was removed within the window, or is of a topic that had this one's name before.
    """
    return f"""
        FROM places_{topic} AS one
        ANTI JOIN judged_{topic} AS other USING (event_id, event_date)
        ANTI JOIN judged_{topic} AS other ON {SAME_PLACE} AND one.event_id = other.event_id
        ANTI JOIN judged_{DEAD_LETTERS} AS other
            ON {SAME_PLACE} AND {_names("other.value", "one.event_id")}
        """


def _stray_letters(topics: Sequence[str]) -> str:
    """SQL of the places of letters that neither are letters again nor have become rows."""
    became_rows = " ".join(
        f"""
        ANTI JOIN judged_{topic} AS other
            ON {SAME_PLACE} AND {_names("one.value", "other.event_id")}
        """
        for topic in topics
    )
    return f"""
        FROM places_{DEAD_LETTERS} AS one
        ANTI JOIN judged_{DEAD_LETTERS} AS other
            ON {SAME_PLACE} AND one.value IS NOT DISTINCT FROM other.value
        {became_rows}
        """


def _names(value: str, event_id: str) -> str:
    """SQL of whether a message's bytes name an event; of two at one place, they are then one."""
    return f"contains({value}::VARCHAR, encode({event_id})::VARCHAR)"


def _keep(connection: duckdb.DuckDBPyConnection, table: str, strays: str) -> int:
    """Take over the lake's rows that are `strays`; how many they are."""
    connection.execute(f"CREATE OR REPLACE TEMP TABLE strays AS {strays}")
    connection.execute(f"CREATE TABLE kept_{table} AS FROM judged_{table} LIMIT 0")
    [(n,)] = connection.sql("SELECT count(*) FROM strays").fetchall()
    if n:  # else nothing is read of the lake's files
        event = "value" if table == DEAD_LETTERS else "event_id"
        connection.execute(f"""
            INSERT INTO kept_{table} FROM inside_{table} AS one SEMI JOIN strays AS other
            ON {SAME_PLACE} AND one.{event} IS NOT DISTINCT FROM other.{event}
            """)
    return int(n)


def _leave_out_copies_of_others(connection: duckdb.DuckDBPyConnection, topic: str) -> None:
    """Leave out rows whose event the lake has from a message that isn't read again."""
    connection.execute(f"""
        INSERT INTO left_out_{topic}
        SELECT one.rowid FROM judged_{topic} AS one
        SEMI JOIN outside_{topic} AS other USING (event_id, event_date)
        """)


def _leave_out_copies(connection: duckdb.DuckDBPyConnection, topic: str) -> None:
    """Leave out all but one row of each event: the one that the lake has, else the first."""
    connection.execute(f"""
        CREATE OR REPLACE TEMP TABLE copies AS
        SELECT one.rowid AS number, event_id, event_date, ingestion_time, {PLACE}
        FROM judged_{topic} AS one
        SEMI JOIN (
            SELECT hash(event_id, event_date) AS hash FROM judged_{topic}
            GROUP BY ALL HAVING count(*) > 1
        ) AS repeated ON hash(event_id, event_date) = repeated.hash
        """)
    connection.execute(f"""
        INSERT INTO left_out_{topic}
        SELECT number FROM copies LEFT JOIN (
            SELECT DISTINCT {PLACE}, event_id, true AS stands
            FROM places_{topic} SEMI JOIN copies USING ({PLACE})
        ) USING ({PLACE}, event_id)
        QUALIFY row_number() OVER (
            PARTITION BY event_id, event_date
            ORDER BY stands NULLS LAST, ingestion_time, {PLACE}, number
        ) > 1
        """)
