-- kind: state
WITH carried AS (SELECT * FROM store.movie_states SEMI JOIN movie_daily USING (movie_id) QUALIFY row_number() OVER (PARTITION BY movie_id ORDER BY known_from DESC) = 1),
steps AS (
    SELECT *, n_positives << (week % 16) AS weighted, week // 16 AS epoch, false AS old FROM movie_daily
    UNION ALL BY NAME SELECT * EXCLUDE (recent, older), epoch_us(known_from) // 604800000000 AS week, recent AS weighted, week // 16 AS epoch, true AS old FROM carried
    UNION ALL BY NAME SELECT movie_id, known_from - INTERVAL 1 DAY AS known_from, 0 AS n_impressions, 0 AS n_contacts, 0 AS n_ratings, 0 AS milli_stars, 0 AS squares, 0 AS n_watches, 0 AS watched, 0 AS n_positives,
        older AS weighted, (epoch_us(known_from) // 604800000000) // 16 - 1 AS epoch, true AS old FROM carried),
sums AS (
SELECT movie_id, known_from, old,
    CAST(sum(n_impressions) OVER up_to AS BIGINT) AS n_impressions, CAST(sum(n_contacts) OVER up_to AS BIGINT) AS n_contacts,
    CAST(sum(n_ratings) OVER up_to AS BIGINT) AS n_ratings, CAST(sum(milli_stars) OVER up_to AS BIGINT) AS milli_stars, CAST(sum(squares) OVER up_to AS BIGINT) AS squares,
    CAST(sum(n_watches) OVER up_to AS BIGINT) AS n_watches, CAST(sum(watched) OVER up_to AS BIGINT) AS watched, CAST(sum(n_positives) OVER up_to AS BIGINT) AS n_positives,
    CAST(sum(weighted) OVER of_epoch AS BIGINT) AS recent, CAST(coalesce(sum(weighted) OVER epoch_before, 0) AS BIGINT) AS older
FROM steps WINDOW up_to AS (PARTITION BY movie_id ORDER BY known_from, old DESC ROWS UNBOUNDED PRECEDING),
    of_epoch AS (PARTITION BY movie_id, epoch ORDER BY known_from, old DESC ROWS UNBOUNDED PRECEDING),
    epoch_before AS (PARTITION BY movie_id ORDER BY epoch RANGE BETWEEN 1 PRECEDING AND 1 PRECEDING))
SELECT * EXCLUDE (old) FROM sums WHERE NOT old
