from datetime import UTC, date, datetime

import pyarrow as pa
import pyarrow.dataset as pads

from movie_recommender import events
from movie_recommender.extract.deduplicate import drop_duplicates, event_dates

DAY = date(2026, 1, 31)
NEXT = date(2026, 2, 1)


def rows(*ids_and_dates: tuple[str, date]) -> pa.Table:
    """Interactions in one partition, offsets 0, 1, …"""
    noon = {"hour": 12, "tzinfo": UTC}
    return pa.Table.from_pylist(
        [
            {
                "event_id": event_id,
                "event_type": "view",
                "event_time": datetime(day.year, day.month, day.day, **noon),
                "schema_version": 1,
                "user_id": 1,
                "kafka_topic": "interactions",
                "kafka_partition": 0,
                "kafka_offset": offset,
                "ingestion_time": datetime(2026, 2, 2, tzinfo=UTC),
                "event_date": day,
            }
            for offset, (event_id, day) in enumerate(ids_and_dates)
        ],
        schema=events.lake_schema("interactions"),
    )


def kept(candidates: pa.Table, landed: pa.Table) -> list[int]:
    """Offsets that remain."""
    result = drop_duplicates(candidates, pads.dataset(landed), event_dates(candidates))
    assert result.schema == candidates.schema
    return result["kafka_offset"].to_pylist()


def test_of_a_resent_event_the_first_stays() -> None:
    assert kept(rows(("b", DAY), ("a", DAY), ("b", DAY), ("a", DAY), ("b", DAY)), rows()) == [0, 1]


def test_what_has_landed_is_left_out() -> None:
    assert kept(rows(("a", DAY), ("b", DAY), ("c", NEXT)), rows(("b", DAY), ("c", NEXT))) == [0]


def test_the_same_id_on_another_date_is_another_event() -> None:
    assert kept(rows(("a", DAY), ("a", NEXT)), rows(("b", NEXT))) == [0, 1]
    assert kept(rows(("a", NEXT)), rows(("a", DAY))) == [0]


def test_nothing_stays_of_a_batch_sent_twice() -> None:
    assert kept(rows(("a", DAY), ("b", NEXT)), rows(("a", DAY), ("b", NEXT))) == []


def test_an_empty_batch_stays_empty() -> None:
    assert kept(rows(), rows(("a", DAY))) == []
