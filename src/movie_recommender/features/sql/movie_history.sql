-- published: no
-- entity: movie
-- grain: one row per movie and UTC day with a contact
-- keys: movie_id, day
-- time column: day
-- window: the day itself; all earlier days (*_before); the 7 days before the day (*_before_7d)
-- point in time: *_before end with the day before, so they are what a row of this day may see
-- description: a movie's positives (users, counted once, on the day of their first positive) and
--   ratings (events), daily and as running sums. Every day of a training row is a day here.
-- owner: ml-platform-team
WITH met AS (
    SELECT
        movie_id,
        day,
        count(rating_millionths) AS n_ratings,
        coalesce(sum(rating_millionths), 0) AS rating_millionths
    FROM contacts
    GROUP BY movie_id, day
),

liked AS (
    SELECT movie_id, day, count(*) AS n_positives
    FROM examples
    WHERE label = 1
    GROUP BY movie_id, day
),

daily AS (
    SELECT met.*, coalesce(liked.n_positives, 0) AS n_positives
    FROM met
    LEFT JOIN liked ON liked.movie_id = met.movie_id AND liked.day = met.day
)

SELECT
    *,
    coalesce(sum(n_ratings) OVER earlier, 0) AS ratings_before,
    coalesce(sum(rating_millionths) OVER earlier, 0) AS rating_millionths_before,
    coalesce(sum(n_positives) OVER earlier, 0) AS positives_before,
    coalesce(sum(n_positives) OVER last_week, 0) AS positives_before_7d
FROM daily
WINDOW
    earlier AS (
        PARTITION BY movie_id ORDER BY day ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    ),
    last_week AS (
        PARTITION BY movie_id ORDER BY day
        RANGE BETWEEN INTERVAL 7 DAYS PRECEDING AND INTERVAL 1 DAY PRECEDING
    )
