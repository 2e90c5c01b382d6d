-- kind: state
-- entity: user x genre
-- grain: one row per user, genre and known_from of a positive
-- keys: user_id, genre, known_from
-- time column: known_from
-- window: all positives known by then, half in 28 days
-- description: A user's taste by genre, as decaying sums, see movie_states. genre -1: all
--   positives.
-- owner: ml-platform-team
WITH carried AS (
    SELECT *
    FROM store.taste_states
    SEMI JOIN taste_days USING (user_id, genre)
    QUALIFY row_number() OVER (PARTITION BY user_id, genre ORDER BY known_from DESC) = 1
),

-- As in movie_states, with periods of 28 days.
steps AS (
    SELECT
        user_id,
        genre,
        known_from,
        epoch_us(known_from) // 2419200000000 // 16 AS epoch,
        n_positives << (epoch_us(known_from) // 2419200000000 % 16) AS weighted,
        FALSE AS is_old
    FROM taste_days
    UNION ALL
    SELECT
        user_id, genre, known_from, epoch_us(known_from) // 2419200000000 // 16, recent, TRUE
    FROM carried
    UNION ALL
    SELECT
        user_id, genre, known_from, epoch_us(known_from) // 2419200000000 // 16 - 1, older, TRUE
    FROM carried
),

sums AS (
    SELECT
        user_id,
        genre,
        known_from,
        is_old,
        CAST(sum(weighted) OVER of_epoch AS BIGINT) AS recent,
        CAST(coalesce(sum(weighted) OVER epoch_before, 0) AS BIGINT) AS older
    FROM steps
    WINDOW
        of_epoch AS (
            PARTITION BY user_id, genre, epoch ORDER BY known_from ROWS UNBOUNDED PRECEDING
        ),
        epoch_before AS (
            PARTITION BY user_id, genre ORDER BY epoch RANGE BETWEEN 1 PRECEDING AND 1 PRECEDING
        )
)

SELECT * EXCLUDE (is_old)
FROM sums
WHERE NOT is_old
