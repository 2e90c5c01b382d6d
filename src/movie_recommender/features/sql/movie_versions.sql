-- kind: state
-- entity: movie
-- grain: one row per movie and known_from of an upsert
-- keys: movie_id, known_from
-- time column: known_from
-- window: all upserts known by then
-- description: The catalogue as it was known. first_time: earliest upsert. genre_bits: bit n is
--   genre n; genres beyond the first 62 have none.
-- owner: ml-platform-team
WITH changes AS (
    SELECT movie_id, known_from, min(event_time) AS first_time, max(newest) AS newest
    FROM movie_upserts
    GROUP BY movie_id, known_from
),

carried AS (
    SELECT movie_id, known_from, first_time, newest
    FROM store.movie_versions
    SEMI JOIN changes USING (movie_id)
    QUALIFY row_number() OVER (PARTITION BY movie_id ORDER BY known_from DESC) = 1
),

steps AS (
    SELECT *, FALSE AS is_old FROM changes
    UNION ALL
    SELECT *, TRUE AS is_old FROM carried
),

versions AS (
    SELECT
        movie_id,
        known_from,
        is_old,
        min(first_time) OVER up_to AS first_time,
        max(newest) OVER up_to AS newest
    FROM steps
    WINDOW up_to AS (PARTITION BY movie_id ORDER BY known_from ROWS UNBOUNDED PRECEDING)
),

numbered AS (
    SELECT named.movie_id, named.known_from, list(number ORDER BY number) AS genre_numbers
    FROM (SELECT movie_id, known_from, unnest(newest.genres) AS genre FROM versions) AS named
    INNER JOIN store.genres AS genres ON genres.genre = named.genre
    GROUP BY named.movie_id, named.known_from
)

SELECT
    versions.movie_id,
    versions.known_from,
    versions.first_time,
    versions.newest,
    coalesce(numbered.genre_numbers, []) AS genre_numbers,
    CAST(
        coalesce(
            list_sum(list_transform(
                list_filter(numbered.genre_numbers, lambda number: number < 62),
                lambda number: CAST(1 AS BIGINT) << number
            )),
            0
        ) AS BIGINT
    ) AS genre_bits
FROM versions
LEFT JOIN numbered
    ON numbered.movie_id = versions.movie_id AND numbered.known_from = versions.known_from
WHERE NOT versions.is_old
