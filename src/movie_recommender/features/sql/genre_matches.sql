-- kind: step
-- entity: user x movie
-- grain: one row per row of pair_moments whose user liked a genre of its movie before
-- keys: pair
-- time column: event_time
-- window: all positives of the user known by then, half in 28 days
-- description: The user's positives of the movie's genres, decayed as in taste_states, in one sum.
--   pair: rowid of pair_moments.
-- owner: ml-platform-team
WITH asks AS (
    SELECT
        pairs.rowid AS pair,
        pairs.user_id,
        pairs.event_time,
        unnest(movies.genre_numbers) AS genre
    FROM pair_moments AS pairs
    INNER JOIN movie_moments AS movies
        ON movies.movie_id = pairs.movie_id AND movies.begins = pairs.movie_begins
)

SELECT
    asks.pair,
    sum(
        CASE
            epoch_us(asks.event_time) // 2419200000000 // 16
            - epoch_us(tastes.known_from) // 2419200000000 // 16
            WHEN 0 THEN 65536 * tastes.recent + tastes.older
            WHEN 1 THEN tastes.recent
        END
    ) AS weighted
FROM asks
ASOF JOIN (
    SELECT *
    FROM store.taste_states
    SEMI JOIN pairs USING (user_id)
    WHERE user_id % $n_parts = $part AND genre >= 0
) AS tastes
    ON tastes.user_id = asks.user_id
    AND tastes.genre = asks.genre
    AND asks.event_time >= tastes.known_from
GROUP BY asks.pair
