-- kind: step
-- entity: user x genre
-- grain: one row per user, genre and known_from of a new positive
-- keys: user_id, genre, known_from
-- time column: known_from
-- window: what became known just then
-- description: Positives of a user by genre of the movie, as the catalogue was known then; genre
--   -1: all of them.
-- owner: ml-platform-team
WITH liked AS (
    SELECT pairs.user_id, pairs.positive_from AS known_from, versions.genre_numbers
    FROM pairs
    ASOF LEFT JOIN store.movie_versions AS versions
        ON versions.movie_id = pairs.movie_id AND pairs.positive_from >= versions.known_from
    WHERE pairs.is_newly_positive
),

each AS (
    SELECT user_id, known_from, -1 AS genre FROM liked
    UNION ALL
    SELECT user_id, known_from, unnest(genre_numbers) AS genre FROM liked
)

SELECT user_id, genre, known_from, count(*) AS n_positives
FROM each
GROUP BY user_id, genre, known_from
