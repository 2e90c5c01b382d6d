"""The rows that Kafka's messages give today, in a database aside.

Of each table it has `inside_…`, the lake's rows whose messages are read again; `places_…`, of those
the place, instant and event; `outside_…`, the events of the lake's other rows, which stay;
`judged_…`, what the messages give; in the end `again_…`, what is to be in place of `inside_…`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import reduce
from itertools import groupby
from operator import itemgetter, or_
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from movie_recommender.extract.maintain import ORDER
from movie_recommender.extract.settle import PLACE, SAME_PLACE, settle
from movie_recommender.extract.validate import MESSAGES, Validated
from movie_recommender.lake import (
    DEAD_LETTERS,
    Lake,
    app_id,
    id_app,
    in_order,
    partition_column,
    scan,
    table_schema,
)

_CONFIG: dict[str, str | int | float | list[str]] = {"memory_limit": "192MB", "threads": 2}
"""However many rows and cores there are; beyond it, the database is on disk."""

_ROWS_AT_ONCE = 50_000
_LETTERS_AT_ONCE = 10_000


@dataclass(frozen=True)
class Window:
    """The messages of one topic that are read again: of each partition, from `lows` to `ends`."""

    kafka_topic: str
    lows: Mapping[int, int]
    ends: Mapping[int, int]

    def holds(self) -> pc.Expression:
        """Of a row of the lake: whether its message is among them."""
        inside = pc.scalar(False)
        partition, offset = pc.field("kafka_partition"), pc.field("kafka_offset")
        for number, end in self.ends.items():
            inside |= (partition == number) & (offset >= self.lows[number]) & (offset < end)
        return (pc.field("kafka_topic") == self.kafka_topic) & inside

    def apps(self) -> list[str]:
        """What every extraction of the topic sets in a commit, and every replay a part of."""
        return [id_app(self.kafka_topic), *(app_id(self.kafka_topic, p) for p in self.ends)]


class Remade:
    """What the lake's tables are to hold; a context manager.

    Args:
        lake: what is there.
        versions: of its tables.
        windows: what is read again, by topic.
        directory: for the database and for what doesn't fit into memory.
    """

    def __init__(
        self,
        lake: Lake,
        versions: Mapping[str, int],
        windows: Mapping[str, Window],
        directory: Path,
    ) -> None:
        self._windows = windows
        self._connection = duckdb.connect(
            str(directory / "rows.duckdb"),
            config={**_CONFIG, "temp_directory": str(directory / "spill")},
        )
        self._connection.execute("SET TimeZone = 'UTC'")
        self._was = {t: lake.dataset(t, versions[t]) for t in (*windows, DEAD_LETTERS)}
        self._n_outside: dict[str, int] = {}
        for table in self._was:
            self._define(table)

    def __enter__(self) -> "Remade":
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def moments(self, topic: str, now: datetime) -> list[tuple[datetime, dict[int, int]]]:
        """When the window's messages came into the lake, ascending, and how far each time.

        Of messages without a row, such as events sent again, the lake tells no instant: they are
        taken to have come with the next one that has a row, or with the last; at `now` if none has.
        """
        window = self._windows[topic]
        query = f"""
            SELECT ingestion_time, kafka_partition, max(kafka_offset) + 1
            FROM (
                SELECT ingestion_time, {PLACE} FROM places_{topic}
                UNION ALL SELECT ingestion_time, {PLACE} FROM places_{DEAD_LETTERS}
            )
            WHERE kafka_topic = '{window.kafka_topic}' GROUP BY ALL ORDER BY ALL
            """
        moments: list[tuple[datetime, dict[int, int]]] = []
        reached = dict(window.lows)
        for moment, rows in groupby(self._fetch(query), key=itemgetter(0)):
            reached |= {p: max(reached[p], end) for _, p, end in rows}
            moments.append((moment, dict(reached)))
        last = moments[-1][0] if moments else now
        return [*moments, (last, dict(window.ends))]

    def add(self, topic: str, judged: Validated) -> None:
        """Take in what messages of the window turned out to be."""
        for table, rows in ((topic, judged.rows), (DEAD_LETTERS, judged.rejected)):
            self._connection.register("new", rows)
            self._connection.execute(f"INSERT INTO judged_{table} FROM new")

    def replays(self, topic: str) -> list[datetime]:
        """When rows landed whose messages had been dead letters, and are so again; ascending."""
        query = f"""
            SELECT DISTINCT place.ingestion_time
            FROM places_{topic} AS place JOIN judged_{DEAD_LETTERS} AS letter USING ({PLACE})
            WHERE place.ingestion_time > letter.ingestion_time ORDER BY ALL
            """
        return [moment for (moment,) in self._fetch(query)]

    def replayed(self, topic: str) -> Iterator[pa.Table]:
        """Messages (`MESSAGES`) that are dead letters again, and no longer are in the lake."""
        self._connection.execute(f"""
            CREATE OR REPLACE TABLE replayed AS
            SELECT {", ".join(MESSAGES.names)} FROM judged_{DEAD_LETTERS}
            ANTI JOIN (
                FROM places_{DEAD_LETTERS} ANTI JOIN places_{topic} USING ({PLACE})
            ) USING ({PLACE})
            WHERE kafka_topic = '{self._windows[topic].kafka_topic}'
            """)
        # What is read from the connection itself ends with its next query.
        with self._connection.cursor() as cursor:
            for batch in cursor.sql("FROM replayed").to_arrow_reader(_LETTERS_AT_ONCE):
                yield pa.Table.from_batches([batch]).cast(MESSAGES)

    def land(self, topic: str, rows: pa.Table) -> None:
        """Take in rows whose messages were dead letters; the letters go."""
        self._connection.register("new", rows)
        self._connection.execute(f"INSERT INTO judged_{topic} FROM new")
        self._connection.execute(
            f"DELETE FROM judged_{DEAD_LETTERS} AS one USING new AS other WHERE {SAME_PLACE}"
        )

    def settle(self) -> dict[str, int]:
        """Make of what the messages give what the tables are to hold.

        Returns:
            Of each table, how many of the lake's rows stay because Kafka doesn't give them.
        """
        with_outside = [topic for topic in self._windows if self._n_outside[topic]]
        kept = settle(self._connection, list(self._windows), with_outside=with_outside)
        return {table: n + self._n_outside[table] for table, n in kept.items()}

    def differing(self, table: str) -> list[date]:
        """Values of `partition_column(table)` whose rows are to be others than they are."""
        columns = ", ".join(f'"{name}"' for name in table_schema(table).names)
        before, after = (
            f"""(
            SELECT {partition_column(table)} AS day, count(*) AS n,
                sum(hash({columns})::HUGEINT) AS hashes
            FROM {which}_{table} GROUP BY ALL
            )"""
            for which in ("inside", "again")
        )
        query = f"""
            SELECT DISTINCT day
            FROM {before} AS before FULL JOIN {after} AS after USING (day, n, hashes)
            WHERE before.day IS NULL OR after.day IS NULL ORDER BY day
            """
        return [day for (day,) in self._fetch(query)]

    def new_letters(self) -> Iterator[pa.Table]:
        """Dead letters that the lake hasn't got."""
        query = f"FROM again_{DEAD_LETTERS} ANTI JOIN places_{DEAD_LETTERS} USING ({PLACE})"
        for letters in self._connection.sql(query).to_arrow_reader(_LETTERS_AT_ONCE):
            yield pa.Table.from_batches([letters])

    def rows(self, table: str, day: date) -> pa.RecordBatchReader:
        """What `table` is to hold of a day, ordered."""
        schema, column = table_schema(table), partition_column(table)
        outside = ~self._inside(table) & (pc.field(column) == day)
        self._connection.register("outside", scan(self._was[table], where=outside))
        query = f"FROM again_{table} WHERE {column} = '{day}' UNION ALL FROM outside"
        found = self._connection.sql(query).to_arrow_reader(_ROWS_AT_ONCE)
        return in_order(found, schema, ORDER[table])

    def _define(self, table: str) -> None:
        was, inside = self._was[table], self._inside(table)
        event = ["value"] if table == DEAD_LETTERS else ["event_id", "event_date"]
        places = [*PLACE.split(", "), "ingestion_time", *event]
        self._connection.register("places", scan(was, places, inside))
        self._connection.register(f"inside_{table}", scan(was, where=inside))
        self._connection.register(f"outside_{table}", scan(was, event, ~inside))
        self._connection.register("none", table_schema(table).empty_table())
        self._connection.execute(f"""
            CREATE TABLE places_{table} AS FROM places;
            CREATE TABLE judged_{table} AS FROM none
            """)
        [(n_inside,)] = self._fetch(f"SELECT count(*) FROM places_{table}")
        self._n_outside[table] = was.count_rows() - n_inside

    def _inside(self, table: str) -> pc.Expression:
        """Of a row of `table`: whether its message is read again."""
        windows = (w for topic, w in self._windows.items() if table in (topic, DEAD_LETTERS))
        return reduce(or_, (window.holds() for window in windows), pc.scalar(False))

    def _fetch(self, query: str) -> list[tuple[Any, ...]]:
        rows = self._connection.sql(query).to_arrow_table().to_pylist()
        return [tuple(row.values()) for row in rows]
