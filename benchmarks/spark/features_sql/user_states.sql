WITH carried AS (
    SELECT * EXCEPT (place)
    FROM (
        SELECT *, row_number() OVER (PARTITION BY user_id ORDER BY known_from DESC) AS place
        FROM store_user_states
        LEFT SEMI JOIN user_days USING (user_id)
    )
    WHERE place = 1
),

steps AS (
    SELECT *, FALSE AS is_old FROM user_days
    UNION ALL
    SELECT *, TRUE AS is_old FROM carried
),

sums AS (
    SELECT
        user_id,
        known_from,
        is_old,
        min(first_time) OVER up_to AS first_time,
        max(last_time) OVER up_to AS last_time,
        sum(n_events) OVER up_to AS n_events,
        sum(n_days) OVER up_to AS n_days,
        sum(n_sessions) OVER up_to AS n_sessions,
        sum(session_us) OVER up_to AS session_us,
        sum(n_ratings) OVER up_to AS n_ratings,
        sum(milli_stars) OVER up_to AS milli_stars,
        sum(squares) OVER up_to AS squares,
        sum(n_watches) OVER up_to AS n_watches,
        sum(watched) OVER up_to AS watched,
        sum(n_positives) OVER up_to AS n_positives,
        max(last_liked) OVER up_to AS last_liked
    FROM steps
    WINDOW up_to AS (PARTITION BY user_id ORDER BY known_from ROWS UNBOUNDED PRECEDING)
)

SELECT * EXCEPT (is_old)
FROM sums
WHERE NOT is_old
