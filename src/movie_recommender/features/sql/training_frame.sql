-- published: yes
-- entity: user x movie
-- grain: one row per (user, movie) that met before the snapshot's as_of
-- keys: user_id, movie_id
-- time column: event_time: of the first positive contact, else of the first contact
-- window: all UTC days before event_time's; movie_positives_7d: the 7 days before
-- point in time: every feature is computed from events of days strictly before event_time's UTC day
-- description: labels (1 positive, 0 seen without being so) with the features of that day.
--   user_positives, movie_positives, movie_positives_7d: (user, movie) pairs with a positive.
--   user_rating_mean: mean of the user's ratings, in stars; NULL without any.
--   user_days_since_last: whole days since the user's last earlier day with an event; NULL: none.
--   movie_rating_mean = (10 * prior + sum of ratings) / (10 + number of ratings), see rating_prior.
--   genre_match = share of the user's earlier positives that share a genre with the movie; NULL
--   without earlier positives or while the movie's genres aren't known.
-- owner: ml-platform-team
SELECT
    examples.user_id,
    examples.movie_id,
    examples.event_time,
    examples.label,
    CAST(1.0 AS FLOAT) AS weight,
    CAST(u.positives_before AS BIGINT) AS user_positives,
    CASE
        WHEN u.ratings_before > 0
            THEN CAST(u.rating_millionths_before AS DOUBLE) / (1000000.0 * u.ratings_before)
    END AS user_rating_mean,
    CAST(examples.day - u.last_day_before AS DOUBLE) AS user_days_since_last,
    CAST(m.positives_before AS BIGINT) AS movie_positives,
    CAST(m.positives_before_7d AS BIGINT) AS movie_positives_7d,
    (10.0 * rating_prior.prior + CAST(m.rating_millionths_before AS DOUBLE) / 1000000.0)
    / (10.0 + m.ratings_before) AS movie_rating_mean,
    CASE
        WHEN u.positives_before > 0
            THEN CAST(genre_match.n_matching AS DOUBLE) / CAST(u.positives_before AS DOUBLE)
    END AS genre_match
FROM examples
INNER JOIN user_history AS u ON u.user_id = examples.user_id AND u.day = examples.day
INNER JOIN movie_history AS m ON m.movie_id = examples.movie_id AND m.day = examples.day
INNER JOIN rating_prior ON rating_prior.day = examples.day
LEFT JOIN genre_match
    ON genre_match.user_id = examples.user_id AND genre_match.movie_id = examples.movie_id
ORDER BY examples.event_time, examples.user_id, examples.movie_id
