WITH changes AS (
    SELECT known_from, sum(n_ratings) AS n_ratings, sum(milli_stars) AS milli_stars
    FROM movie_days
    GROUP BY known_from
),

carried AS (
    SELECT known_from, n_ratings, milli_stars
    FROM store_priors
    ORDER BY known_from DESC
    LIMIT 1
),

steps AS (
    SELECT *, FALSE AS is_old FROM changes
    UNION ALL
    SELECT *, TRUE AS is_old FROM carried
),

sums AS (
    SELECT
        known_from,
        is_old,
        sum(n_ratings) OVER up_to AS n_ratings,
        sum(milli_stars) OVER up_to AS milli_stars
    FROM steps
    WINDOW up_to AS (ORDER BY known_from ROWS UNBOUNDED PRECEDING)
)

SELECT * EXCEPT (is_old)
FROM sums
WHERE NOT is_old
