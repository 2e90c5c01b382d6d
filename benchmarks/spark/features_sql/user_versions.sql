WITH changes AS (
    SELECT user_id, known_from, min(event_time) AS first_time, max(newest) AS newest
    FROM user_upserts
    GROUP BY user_id, known_from
),

carried AS (
    SELECT * EXCEPT (place)
    FROM (
        SELECT
            user_id,
            known_from,
            first_time,
            newest,
            row_number() OVER (PARTITION BY user_id ORDER BY known_from DESC) AS place
        FROM store_user_versions
        LEFT SEMI JOIN changes USING (user_id)
    )
    WHERE place = 1
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

SELECT * EXCEPT (is_old)
FROM versions
WHERE NOT is_old
