WITH versions AS (
    SELECT
        movie_id,
        known_from,
        lead(known_from) OVER (PARTITION BY movie_id ORDER BY known_from) AS known_to,
        genre_numbers
    FROM store_movie_versions
),

asks AS (
    SELECT /*+ BROADCAST(versions) */
        pairs.user_id,
        pairs.movie_id,
        pairs.event_time,
        explode(concat(array(-1), versions.genre_numbers)) AS genre
    FROM pairs
    INNER JOIN versions
        ON versions.movie_id = pairs.movie_id
        AND pairs.event_time >= versions.known_from
        AND (pairs.event_time < versions.known_to OR versions.known_to IS NULL)
    WHERE size(versions.genre_numbers) > 0
),

tastes AS (
    SELECT
        *,
        lead(known_from) OVER (PARTITION BY user_id, genre ORDER BY known_from) AS known_to
    FROM store_taste_states
),

answers AS (
    SELECT
        asks.user_id,
        asks.movie_id,
        asks.genre,
        CASE
            unix_micros(asks.event_time) div 2419200000000 div 16
            - unix_micros(tastes.known_from) div 2419200000000 div 16
            WHEN 0 THEN 65536 * tastes.recent + tastes.older
            WHEN 1 THEN tastes.recent
            ELSE 0
        END AS weighted
    FROM asks
    LEFT JOIN tastes
        ON tastes.user_id = asks.user_id
        AND tastes.genre = asks.genre
        AND asks.event_time >= tastes.known_from
        AND (asks.event_time < tastes.known_to OR tastes.known_to IS NULL)
)

SELECT
    user_id,
    movie_id,
    CAST(coalesce(sum(weighted) FILTER (WHERE genre >= 0), 0) AS DOUBLE)
    / nullif((count(*) - 1) * max(weighted) FILTER (WHERE genre = -1), 0) AS genre_match
FROM answers
GROUP BY user_id, movie_id
