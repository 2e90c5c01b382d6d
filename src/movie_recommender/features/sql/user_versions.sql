-- kind: state
-- entity: user
-- grain: one row per user and known_from of an upsert
-- keys: user_id, known_from
-- time column: known_from
-- window: all upserts known by then
-- description: The users' attributes as they were known. first_time: earliest upsert.
-- owner: ml-platform-team
WITH changes AS (
    SELECT user_id, known_from, min(event_time) AS first_time, max(newest) AS newest
    FROM user_upserts
    GROUP BY user_id, known_from
),

carried AS (
    SELECT user_id, known_from, first_time, newest
    FROM store.user_versions
    SEMI JOIN changes USING (user_id)
    QUALIFY row_number() OVER (PARTITION BY user_id ORDER BY known_from DESC) = 1
),

steps AS (
    SELECT *, FALSE AS is_old FROM changes
    UNION ALL
    SELECT *, TRUE AS is_old FROM carried
),

versions AS (
    SELECT
        user_id,
        known_from,
        is_old,
        min(first_time) OVER up_to AS first_time,
        max(newest) OVER up_to AS newest
    FROM steps
    WINDOW up_to AS (PARTITION BY user_id ORDER BY known_from ROWS UNBOUNDED PRECEDING)
)

SELECT * EXCLUDE (is_old)
FROM versions
WHERE NOT is_old
