WITH sessions AS (
    SELECT
        user_id,
        known_from,
        day,
        session,
        count(*) AS n_events,
        min(event_time) AS first_time,
        max(event_time) AS last_time,
        count(milli_stars) AS n_ratings,
        coalesce(sum(milli_stars), 0) AS milli_stars,
        coalesce(sum(milli_stars * milli_stars), 0) AS squares,
        count(watched) AS n_watches,
        coalesce(sum(watched), 0) AS watched,
        max(unix_micros(event_time) * CAST(9223372036854775808 AS DECIMAL(19, 0)) + movie_id)
            FILTER (WHERE is_positive) AS last_liked
    FROM arrivals
    GROUP BY user_id, known_from, day, session
),

acted AS (
    SELECT
        user_id,
        known_from,
        min(first_time) AS first_time,
        max(last_time) AS last_time,
        sum(n_events) AS n_events,
        count(DISTINCT day) AS n_days,
        count(session) AS n_sessions,
        coalesce(
            sum(unix_micros(last_time) - unix_micros(first_time))
                FILTER (WHERE session IS NOT NULL),
            0
        ) AS session_us,
        sum(n_ratings) AS n_ratings,
        sum(milli_stars) AS milli_stars,
        sum(squares) AS squares,
        sum(n_watches) AS n_watches,
        sum(watched) AS watched,
        max(last_liked) AS last_liked
    FROM sessions
    GROUP BY user_id, known_from
),

liked AS (
    SELECT user_id, positive_from AS known_from, count(*) AS n_positives
    FROM pairs
    WHERE is_newly_positive
    GROUP BY user_id, positive_from
)

SELECT acted.*, coalesce(liked.n_positives, 0) AS n_positives
FROM acted
LEFT JOIN liked ON liked.user_id = acted.user_id AND liked.known_from = acted.known_from
