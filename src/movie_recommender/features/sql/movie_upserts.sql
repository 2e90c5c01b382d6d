-- kind: step
-- entity: movie
-- grain: one row per new upsert
-- keys: event of the lake
-- time column: event_time
-- window: events before as_of that the store hasn't
-- description: What has come of the catalogue. newest compares by event_time, then by place in
--   Kafka: the greatest wins whole. Its genres are sorted, without repetition.
-- owner: ml-platform-team
SELECT
    movie_id,
    greatest(
        CAST(event_date + 1 AS TIMESTAMPTZ),
        CASE WHEN ingestion_time > $on_time_until THEN ingestion_time END
    ) AS known_from,
    event_time,
    {
        'event_time': event_time,
        'kafka_offset': kafka_offset,
        'kafka_partition': kafka_partition,
        'event_id': event_id,
        'title': title,
        'genres': list_sort(list_distinct(
            list_filter(coalesce(genres, []), lambda genre: genre IS NOT NULL)
        )),
        'year': year,
        'language': language,
        'release_date': release_date
    } AS newest
FROM movies
WHERE event_date <= $last_day AND event_time < $as_of
