-- published: yes
-- entity: movie
-- grain: one row per movie with an upsert or an interaction before the snapshot's as_of
-- keys: movie_id
-- time column: none: the state at as_of
-- window: all events before as_of; n_positives_7d: first positives in the 7 * 24 h before as_of
-- point in time: event_time < as_of; the newest upsert (by event_time, then kafka_offset) wins whole
-- description: what is known about a movie. Without an upsert: title 'movie <id>', no genres, NULL
--   attributes. n_positives: users with a positive contact; first_seen: first upsert or interaction.
--   rating_mean_shrunk = (10 * prior + sum of ratings) / (10 + number of ratings), where prior is
--   the mean of all ratings before as_of (2.75, the scale's middle, if there is none): the value
--   that a training row of as_of's day has in movie_rating_mean.
-- owner: ml-platform-team
WITH newest AS (
    SELECT movie_id, title, genres, year, language
    FROM movie_versions
    WHERE known_until = DATE '9999-12-31'
),

sightings AS (
    SELECT movie_id, min(first_time) AS first_time
    FROM (
        SELECT movie_id, first_time FROM movie_versions
        UNION ALL
        SELECT movie_id, event_time
        FROM interactions
        WHERE event_date <= $last_day AND event_time < $as_of AND movie_id IS NOT NULL
    )
    GROUP BY movie_id
),

rated AS (
    SELECT
        movie_id, sum(n_ratings) AS n_ratings, sum(rating_millionths) AS rating_millionths
    FROM movie_history
    GROUP BY movie_id
),

liked AS (
    SELECT
        movie_id,
        count(*) AS n_positives,
        count(*) FILTER (WHERE event_time >= $as_of - INTERVAL 7 DAYS) AS n_positives_7d
    FROM examples
    WHERE label = 1
    GROUP BY movie_id
),

world AS (
    SELECT
        CASE
            WHEN coalesce(sum(n_ratings), 0) = 0 THEN 2.75
            ELSE CAST(sum(rating_millionths) AS DOUBLE) / (1000000.0 * sum(n_ratings))
        END AS prior
    FROM movie_history
)

SELECT
    sightings.movie_id,
    coalesce(newest.title, 'movie ' || sightings.movie_id) AS title,
    coalesce(newest.genres, []) AS genres,
    newest.year,
    newest.language,
    sightings.first_time AS first_seen,
    CAST(coalesce(liked.n_positives, 0) AS BIGINT) AS n_positives,
    CAST(coalesce(liked.n_positives_7d, 0) AS BIGINT) AS n_positives_7d,
    CAST(coalesce(rated.n_ratings, 0) AS BIGINT) AS n_ratings,
    (10.0 * world.prior + coalesce(CAST(rated.rating_millionths AS DOUBLE) / 1000000.0, 0.0))
    / (10.0 + coalesce(rated.n_ratings, 0)) AS rating_mean_shrunk
FROM sightings
CROSS JOIN world
LEFT JOIN newest ON newest.movie_id = sightings.movie_id
LEFT JOIN rated ON rated.movie_id = sightings.movie_id
LEFT JOIN liked ON liked.movie_id = sightings.movie_id
ORDER BY 1
