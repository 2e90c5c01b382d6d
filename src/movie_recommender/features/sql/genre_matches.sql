-- kind: step
-- entity: user x movie
-- grain: one row per row of pairs whose movie has genres
-- keys: user_id, movie_id
-- time column: event_time
-- window: all positives of the user known by then, half in 28 days
-- description: How much of the user's taste the movie's genres have: the mean, over its genres, of
--   the share of the user's decayed positives that have the genre. NULL without positives.
-- owner: ml-platform-team
WITH asks AS (
    SELECT
        pairs.user_id,
        pairs.movie_id,
        pairs.event_time,
        unnest([-1] || versions.genre_numbers) AS genre
    FROM pairs
    ASOF JOIN store.movie_versions AS versions
        ON versions.movie_id = pairs.movie_id AND pairs.event_time >= versions.known_from
    WHERE pairs.user_id % $n_parts = $part AND len(versions.genre_numbers) > 0
),

answers AS (
    SELECT
        asks.user_id,
        asks.movie_id,
        asks.genre,
        CASE
            epoch_us(asks.event_time) // 2419200000000 // 16
            - epoch_us(tastes.known_from) // 2419200000000 // 16
            WHEN 0 THEN 65536 * tastes.recent + tastes.older
            WHEN 1 THEN tastes.recent
            ELSE 0
        END AS weighted
    FROM asks
    ASOF LEFT JOIN (
        SELECT *
        FROM store.taste_states
        SEMI JOIN pairs USING (user_id)
        WHERE user_id % $n_parts = $part
    ) AS tastes
        ON tastes.user_id = asks.user_id
        AND tastes.genre = asks.genre
        AND asks.event_time >= tastes.known_from
)

SELECT
    user_id,
    movie_id,
    CAST(coalesce(sum(weighted) FILTER (genre >= 0), 0) AS DOUBLE)
    / nullif((count(*) - 1) * max(weighted) FILTER (genre = -1), 0) AS genre_match
FROM answers
GROUP BY user_id, movie_id
