WITH met AS (
    SELECT
        user_id,
        movie_id,
        min(event_time) AS first_time,
        min(event_time) FILTER (WHERE is_positive) AS positive_time,
        min(known_from) AS met_from,
        min(known_from) FILTER (WHERE is_positive) AS positive_from
    FROM arrivals
    WHERE is_contact
    GROUP BY user_id, movie_id
),

joined AS (
    SELECT
        met.user_id,
        met.movie_id,
        coalesce(
            least(met.positive_time, CASE WHEN was.label = 1 THEN was.event_time END),
            least(met.first_time, was.event_time)
        ) AS event_time,
        CAST(met.positive_time IS NOT NULL OR coalesce(was.label, 0) = 1 AS TINYINT) AS label,
        least(met.met_from, was.met_from) AS met_from,
        least(met.positive_from, was.positive_from) AS positive_from,
        met.positive_from IS NOT NULL AND was.positive_from IS NULL AS is_newly_positive,
        was.event_time AS was_event_time,
        was.label AS was_label
    FROM met
    LEFT JOIN store_training_frame AS was
        ON was.user_id = met.user_id AND was.movie_id = met.movie_id
)

SELECT
    user_id,
    movie_id,
    event_time,
    label,
    met_from,
    positive_from,
    is_newly_positive,
    was_label IS NOT NULL AS was_there
FROM joined
WHERE was_label IS NULL OR event_time <> was_event_time OR label <> was_label
