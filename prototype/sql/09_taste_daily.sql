-- kind: step
WITH liked AS (SELECT user_id, movie_id, positive_from FROM pairs WHERE is_newly_positive),
versions AS (SELECT liked.user_id, liked.positive_from AS known_from, v.genres
    FROM liked ASOF JOIN store.movie_versions AS v ON v.movie_id = liked.movie_id AND liked.positive_from >= v.known_from)
SELECT user_id, number AS genre, known_from, count(*) AS n, (epoch_us(known_from) // 2419200000000) AS period
FROM (SELECT user_id, known_from, unnest(genres) AS genre FROM versions) JOIN store.genres USING (genre) GROUP BY ALL
