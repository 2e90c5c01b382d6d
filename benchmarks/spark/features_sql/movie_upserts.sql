SELECT
    movie_id,
    greatest(
        CAST(date_add(event_date, 1) AS TIMESTAMP),
        CASE WHEN ingestion_time > $on_time_until THEN ingestion_time END
    ) AS known_from,
    event_time,
    named_struct(
        'event_time', event_time,
        'kafka_offset', kafka_offset,
        'kafka_partition', kafka_partition,
        'event_id', event_id,
        'title', title,
        'genres', array_sort(array_distinct(
            filter(coalesce(genres, CAST(array() AS ARRAY<STRING>)), genre -> genre IS NOT NULL)
        )),
        'year', year,
        'language', language,
        'release_date', release_date
    ) AS newest
FROM movies
WHERE event_date <= $last_day AND event_time < $as_of
