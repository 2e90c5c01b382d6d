-- kind: view
-- entity: user x movie
-- grain: one row per new interaction
-- keys: event of the lake
-- time column: event_time
-- window: events before as_of that the store hasn't
-- description: What has come, typed and with known_from. positive: a like, a rating of 3.5 stars
--   and more, a watch of half and more. Stars in thousandths, fractions in millionths: sums of whole
--   numbers are the same in any order.
-- owner: ml-platform-team
SELECT
    user_id,
    movie_id,
    event_date AS day,
    event_time,
    CASE WHEN session_id IS NOT NULL THEN hash(session_id) END AS session,
    greatest(
        CAST(event_date + 1 AS TIMESTAMPTZ),
        CASE WHEN ingestion_time > $on_time_until THEN ingestion_time END
    ) AS known_from,
    coalesce(movie_id IS NOT NULL AND event_type = 'impression', FALSE) AS is_impression,
    movie_id IS NOT NULL AND event_type IN ('view', 'watch', 'rating', 'like') AS is_contact,
    movie_id IS NOT NULL AND coalesce(
        event_type = 'like'
        OR (event_type = 'rating' AND rating >= 3.5)
        OR (event_type = 'watch' AND fraction >= 0.5),
        FALSE
    ) AS is_positive,
    CASE WHEN event_type = 'rating' THEN CAST(round(rating * 1000) AS INTEGER) END AS milli_stars,
    CASE WHEN event_type = 'watch' THEN CAST(round(fraction * 1000000) AS INTEGER) END AS watched
FROM interactions
WHERE event_date <= $last_day AND event_time < $as_of
