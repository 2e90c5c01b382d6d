-- kind: step
WITH met AS (
    SELECT user_id, movie_id, min(event_time) AS first_time, min(event_time) FILTER (positive) AS positive_time,
        min(known_from) AS met_from, min(known_from) FILTER (positive) AS positive_from
    FROM arrivals WHERE contact GROUP BY ALL)
SELECT met.user_id, met.movie_id,
    coalesce(least(met.positive_time, CASE WHEN was.label = 1 THEN was.event_time END), least(met.first_time, was.event_time)) AS event_time,
    CAST(met.positive_time IS NOT NULL OR coalesce(was.label, 0) = 1 AS TINYINT) AS label,
    least(met.met_from, was.met_from) AS met_from,
    least(met.positive_from, was.positive_from) AS positive_from,
    was.user_id IS NULL AS is_new,
    met.positive_from IS NOT NULL AND was.positive_from IS NULL AS is_newly_positive,
    was.event_time AS was_event_time, was.label AS was_label
FROM met LEFT JOIN store.training_frame AS was USING (user_id, movie_id)
