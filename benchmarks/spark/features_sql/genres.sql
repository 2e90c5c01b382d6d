WITH fresh AS (
    SELECT genre, min(known_from) AS known_from
    FROM (SELECT explode(newest.genres) AS genre, known_from FROM movie_upserts)
    GROUP BY genre
)

SELECT
    fresh.genre,
    CAST(
        (SELECT count(*) FROM store_genres) + row_number() OVER (ORDER BY known_from, genre) - 1
        AS INT
    ) AS number
FROM fresh
LEFT ANTI JOIN store_genres AS known ON known.genre = fresh.genre
