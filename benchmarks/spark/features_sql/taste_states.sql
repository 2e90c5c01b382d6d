WITH carried AS (
    SELECT * EXCEPT (place)
    FROM (
        SELECT
            *, row_number() OVER (PARTITION BY user_id, genre ORDER BY known_from DESC) AS place
        FROM store_taste_states
        LEFT SEMI JOIN taste_days USING (user_id, genre)
    )
    WHERE place = 1
),

steps AS (
    SELECT
        user_id,
        genre,
        known_from,
        unix_micros(known_from) div 2419200000000 div 16 AS epoch,
        shiftleft(
            n_positives, CAST(unix_micros(known_from) div 2419200000000 % 16 AS INT)
        ) AS weighted,
        FALSE AS is_old
    FROM taste_days
    UNION ALL
    SELECT
        user_id, genre, known_from, unix_micros(known_from) div 2419200000000 div 16, recent, TRUE
    FROM carried
    UNION ALL
    SELECT
        user_id,
        genre,
        known_from,
        unix_micros(known_from) div 2419200000000 div 16 - 1,
        older,
        TRUE
    FROM carried
),

sums AS (
    SELECT
        user_id,
        genre,
        known_from,
        is_old,
        sum(weighted) OVER of_epoch AS recent,
        coalesce(sum(weighted) OVER epoch_before, 0) AS older
    FROM steps
    WINDOW
        of_epoch AS (
            PARTITION BY user_id, genre, epoch ORDER BY known_from ROWS UNBOUNDED PRECEDING
        ),
        epoch_before AS (
            PARTITION BY user_id, genre ORDER BY epoch RANGE BETWEEN 1 PRECEDING AND 1 PRECEDING
        )
)

SELECT * EXCEPT (is_old)
FROM sums
WHERE NOT is_old
