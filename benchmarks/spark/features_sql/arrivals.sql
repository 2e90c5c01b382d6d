SELECT
    user_id,
    movie_id,
    event_date AS day,
    event_time,
    CASE WHEN session_id IS NOT NULL THEN xxhash64(session_id) END AS session,
    greatest(
        CAST(date_add(event_date, 1) AS TIMESTAMP),
        CASE WHEN ingestion_time > $on_time_until THEN ingestion_time END
    ) AS known_from,
    coalesce(movie_id IS NOT NULL AND event_type = 'impression', FALSE) AS is_impression,
    movie_id IS NOT NULL AND event_type IN ('view', 'watch', 'rating', 'like') AS is_contact,
    movie_id IS NOT NULL AND coalesce(
        event_type = 'like'
        OR (event_type = 'rating' AND rating >= 3.5D)
        OR (event_type = 'watch' AND fraction >= 0.5D),
        FALSE
    ) AS is_positive,
    -- Spark's round goes through decimals.
    CASE WHEN event_type = 'rating' THEN CAST(floor(rating * 1000D + 0.5D) AS INT) END
        AS milli_stars,
    CASE WHEN event_type = 'watch' THEN CAST(floor(fraction * 1000000D + 0.5D) AS INT) END
        AS watched
FROM interactions
WHERE event_date <= $last_day AND event_time < $as_of
