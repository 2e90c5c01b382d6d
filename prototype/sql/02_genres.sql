-- kind: state
-- numbers of genres, in the order in which they became known
WITH named AS (
    SELECT unnest(genres) AS genre, greatest(CAST(event_date + 1 AS TIMESTAMPTZ), CASE WHEN ingestion_time > $on_time_until THEN ingestion_time END) AS known_from FROM movies),
fresh AS (SELECT genre, min(known_from) AS known_from FROM named WHERE genre IS NOT NULL GROUP BY genre)
SELECT genre, CAST((SELECT count(*) FROM store.genres) + row_number() OVER (ORDER BY known_from, genre) - 1 AS INTEGER) AS number
FROM fresh ANTI JOIN store.genres USING (genre)
