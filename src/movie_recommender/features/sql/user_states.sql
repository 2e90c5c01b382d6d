-- kind: state
-- entity: user
-- grain: one row per user and known_from of an interaction
-- keys: user_id, known_from
-- time column: known_from
-- window: all interactions known by then
-- description: A user's activity, sessions, ratings, watches and positives (movies, counted once)
--   as running sums.
-- owner: ml-platform-team
WITH carried AS (
    SELECT *
    FROM store.user_states
    SEMI JOIN user_days USING (user_id)
    QUALIFY row_number() OVER (PARTITION BY user_id ORDER BY known_from DESC) = 1
),

steps AS (
    SELECT *, FALSE AS is_old FROM user_days
    UNION ALL BY NAME
    SELECT *, TRUE AS is_old FROM carried
),

sums AS (
    SELECT
        user_id,
        known_from,
        is_old,
        min(first_time) OVER up_to AS first_time,
        max(last_time) OVER up_to AS last_time,
        CAST(sum(n_events) OVER up_to AS BIGINT) AS n_events,
        CAST(sum(n_days) OVER up_to AS BIGINT) AS n_days,
        CAST(sum(n_sessions) OVER up_to AS BIGINT) AS n_sessions,
        CAST(sum(session_us) OVER up_to AS BIGINT) AS session_us,
        CAST(sum(n_ratings) OVER up_to AS BIGINT) AS n_ratings,
        CAST(sum(milli_stars) OVER up_to AS BIGINT) AS milli_stars,
        CAST(sum(squares) OVER up_to AS BIGINT) AS squares,
        CAST(sum(n_watches) OVER up_to AS BIGINT) AS n_watches,
        CAST(sum(watched) OVER up_to AS BIGINT) AS watched,
        CAST(sum(n_positives) OVER up_to AS BIGINT) AS n_positives,
        max(last_liked) OVER up_to AS last_liked
    FROM steps
    WINDOW up_to AS (PARTITION BY user_id ORDER BY known_from ROWS UNBOUNDED PRECEDING)
)

SELECT * EXCLUDE (is_old)
FROM sums
WHERE NOT is_old
