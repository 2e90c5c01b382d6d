-- kind: view
SELECT
    user_id, movie_id, event_type, event_time, session_id,
    greatest(
        CAST(event_date + 1 AS TIMESTAMPTZ),
        CASE WHEN ingestion_time > $on_time_until THEN ingestion_time END
    ) AS known_from,
    movie_id IS NOT NULL AND event_type IN ('view', 'watch', 'rating', 'like') AS contact,
    movie_id IS NOT NULL AND coalesce(
        event_type = 'like'
        OR (event_type = 'rating' AND rating >= 3.5)
        OR (event_type = 'watch' AND fraction >= 0.5), false
    ) AS positive,
    CASE WHEN event_type = 'rating' THEN CAST(round(rating * 1000) AS BIGINT) END AS milli_stars,
    CASE WHEN event_type = 'watch' THEN CAST(round(fraction * 1000000) AS BIGINT) END AS watched
FROM interactions
