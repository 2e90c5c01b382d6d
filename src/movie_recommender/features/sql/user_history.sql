-- published: no
-- entity: user
-- grain: one row per user and UTC day with an event of the user's (impressions and searches count:
--   being there is activity)
-- keys: user_id, day
-- time column: day
-- window: the day itself, and (columns *_before) all earlier days
-- point in time: *_before end with the day before, so they are what a row of this day may see
-- description: a user's activity, positives (movies, counted once, on the day of the first positive)
--   and ratings (events), daily and as running sums. Every day of a training row is a day here.
-- owner: ml-platform-team
WITH active AS (
    SELECT
        user_id,
        event_date AS day,
        min(event_time) AS first_time,
        max(event_time) AS last_time
    FROM interactions
    WHERE event_date <= $last_day AND event_time < $as_of
    GROUP BY user_id, event_date
),

rated AS (
    SELECT user_id, day, count(*) AS n_ratings, sum(rating_millionths) AS rating_millionths
    FROM contacts
    WHERE rating_millionths IS NOT NULL
    GROUP BY user_id, day
),

liked AS (
    SELECT user_id, day, count(*) AS n_positives
    FROM examples
    WHERE label = 1
    GROUP BY user_id, day
),

daily AS (
    SELECT
        active.user_id,
        active.day,
        active.first_time,
        active.last_time,
        coalesce(rated.n_ratings, 0) AS n_ratings,
        coalesce(rated.rating_millionths, 0) AS rating_millionths,
        coalesce(liked.n_positives, 0) AS n_positives
    FROM active
    LEFT JOIN rated ON rated.user_id = active.user_id AND rated.day = active.day
    LEFT JOIN liked ON liked.user_id = active.user_id AND liked.day = active.day
)

SELECT
    *,
    coalesce(sum(n_ratings) OVER earlier, 0) AS ratings_before,
    coalesce(sum(rating_millionths) OVER earlier, 0) AS rating_millionths_before,
    coalesce(sum(n_positives) OVER earlier, 0) AS positives_before,
    lag(day) OVER (PARTITION BY user_id ORDER BY day) AS last_day_before
FROM daily
WINDOW earlier AS (
    PARTITION BY user_id ORDER BY day ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
)
