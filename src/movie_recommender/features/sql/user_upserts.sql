-- kind: step
-- entity: user
-- grain: one row per new upsert
-- keys: event of the lake
-- time column: event_time
-- window: events before as_of that the store hasn't
-- description: What has come of the users' attributes. newest compares by event_time, then by
--   place in Kafka: the greatest wins whole.
-- owner: ml-platform-team
SELECT
    user_id,
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
        'age': age,
        'country': country,
        'device': device
    } AS newest
FROM users
WHERE event_date <= $last_day AND event_time < $as_of
