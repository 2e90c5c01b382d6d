-- kind: state
-- all ratings known at the start of each day: one row per known_from
WITH daily AS (SELECT known_from, count(milli_stars) AS n_ratings, coalesce(sum(milli_stars), 0) AS milli_stars FROM arrivals WHERE movie_id IS NOT NULL GROUP BY ALL),
steps AS (SELECT known_from, n_ratings, milli_stars, false AS old FROM daily UNION ALL (SELECT *, true FROM store.priors ORDER BY known_from DESC LIMIT 1)),
sums AS (SELECT known_from, CAST(sum(n_ratings) OVER up_to AS BIGINT) AS n_ratings, CAST(sum(milli_stars) OVER up_to AS BIGINT) AS milli_stars, old FROM steps WINDOW up_to AS (ORDER BY known_from ROWS UNBOUNDED PRECEDING))
SELECT * EXCLUDE (old) FROM sums WHERE NOT old
