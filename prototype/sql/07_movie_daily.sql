-- kind: step
WITH acted AS (SELECT movie_id, known_from, count(*) FILTER (event_type = 'impression') AS n_impressions, count(*) FILTER (contact) AS n_contacts,
    count(milli_stars) AS n_ratings, coalesce(sum(milli_stars), 0) AS milli_stars, coalesce(sum(milli_stars * milli_stars), 0) AS squares, count(watched) AS n_watches, coalesce(sum(watched), 0) AS watched
    FROM arrivals WHERE movie_id IS NOT NULL AND event_type <> 'search' GROUP BY ALL),
liked AS (SELECT movie_id, positive_from AS known_from, count(*) AS n_positives FROM pairs WHERE is_newly_positive GROUP BY ALL)
SELECT acted.*, coalesce(liked.n_positives, 0) AS n_positives, epoch_us(known_from) // 604800000000 AS week FROM acted LEFT JOIN liked USING (movie_id, known_from)
