-- kind: state
-- entity: genre
-- grain: one row per genre that any upsert names
-- keys: genre
-- time column: none
-- window: all events
-- description: Numbers of the genres, in the order in which they became known, then by name.
-- owner: ml-platform-team
WITH fresh AS (
    SELECT genre, min(known_from) AS known_from
    FROM (SELECT unnest(newest.genres) AS genre, known_from FROM movie_upserts)
    GROUP BY genre
)

SELECT
    fresh.genre,
    CAST(
        (SELECT count(*) FROM store.genres) + row_number() OVER (ORDER BY known_from, genre) - 1
        AS INTEGER
    ) AS number
FROM fresh
ANTI JOIN store.genres AS known ON known.genre = fresh.genre
