-- published: no
-- entity: the whole world
-- grain: one row per UTC day with a contact
-- keys: day
-- time column: day
-- window: all earlier days
-- point in time: the sums end with the day before
-- description: mean of all ratings of earlier days, in stars: what is assumed about a movie before
--   anybody rated it. Before the very first rating it is 2.75, the middle of the scale 0.5-5.0.
-- owner: ml-platform-team
WITH daily AS (
    SELECT
        day,
        count(rating_millionths) AS n_ratings,
        coalesce(sum(rating_millionths), 0) AS rating_millionths
    FROM contacts
    GROUP BY day
),

running AS (
    SELECT
        day,
        coalesce(sum(n_ratings) OVER earlier, 0) AS ratings_before,
        coalesce(sum(rating_millionths) OVER earlier, 0) AS rating_millionths_before
    FROM daily
    WINDOW earlier AS (ORDER BY day ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
)

SELECT
    day,
    CASE
        WHEN ratings_before = 0 THEN 2.75
        ELSE CAST(rating_millionths_before AS DOUBLE) / (1000000.0 * ratings_before)
    END AS prior
FROM running
