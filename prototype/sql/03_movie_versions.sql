-- kind: state
-- the newest upsert of each known_from; by event time, not older than the one before
WITH upserts AS (
    SELECT movie_id, event_time, event_id, title, year, language, release_date,
        greatest(CAST(event_date + 1 AS TIMESTAMPTZ), CASE WHEN ingestion_time > $on_time_until THEN ingestion_time END) AS known_from,
        list_sort(list_distinct(list_filter(coalesce(genres, []), lambda g: g IS NOT NULL))) AS genres
    FROM movies),
newest AS (
    SELECT * FROM upserts
    QUALIFY row_number() OVER (PARTITION BY movie_id, known_from ORDER BY event_time DESC, event_id DESC) = 1),
carried AS (
    SELECT movie_id, event_time, event_id, true AS old FROM store.movie_versions SEMI JOIN newest USING (movie_id)
    QUALIFY row_number() OVER (PARTITION BY movie_id ORDER BY known_from DESC) = 1),
ranked AS (
    SELECT newest.*, max((newest.event_time, newest.event_id)) OVER earlier AS best_before, (carried.event_time, carried.event_id) AS carried_best, carried.old
    FROM newest LEFT JOIN carried USING (movie_id)
    WINDOW earlier AS (PARTITION BY newest.movie_id ORDER BY known_from ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING))
SELECT movie_id, known_from, event_time, event_id, title, genres, year, language, release_date
FROM ranked
WHERE (best_before IS NULL OR (event_time, event_id) > best_before) AND (old IS NULL OR (event_time, event_id) > carried_best)
