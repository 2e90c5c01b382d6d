WITH versions AS (
    SELECT
        movie_id,
        known_from,
        lead(known_from) OVER (PARTITION BY movie_id ORDER BY known_from) AS known_to,
        genre_numbers
    FROM store_movie_versions
),

liked AS (
    SELECT /*+ BROADCAST(versions) */
        pairs.user_id, pairs.positive_from AS known_from, versions.genre_numbers
    FROM pairs
    LEFT JOIN versions
        ON versions.movie_id = pairs.movie_id
        AND pairs.positive_from >= versions.known_from
        AND (pairs.positive_from < versions.known_to OR versions.known_to IS NULL)
    WHERE pairs.is_newly_positive
),

each AS (
    SELECT user_id, known_from, -1 AS genre FROM liked
    UNION ALL
    SELECT user_id, known_from, explode(genre_numbers) AS genre FROM liked
)

SELECT user_id, genre, known_from, count(*) AS n_positives
FROM each
GROUP BY user_id, genre, known_from
