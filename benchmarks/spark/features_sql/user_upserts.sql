SELECT
    user_id,
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
        'age', age,
        'country', country,
        'device', device
    ) AS newest
FROM users
WHERE event_date <= $last_day AND event_time < $as_of
