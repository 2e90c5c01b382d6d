WITH changes AS (
    SELECT movie_id, known_from, min(event_time) AS first_time, max(newest) AS newest
    FROM movie_upserts
    GROUP BY movie_id, known_from
),

carried AS (
    SELECT * EXCEPT (place)
    FROM (
        SELECT
            movie_id,
            known_from,
            first_time,
            newest,
            row_number() OVER (PARTITION BY movie_id ORDER BY known_from DESC) AS place
        FROM store_movie_versions
        LEFT SEMI JOIN changes USING (movie_id)
    )
    WHERE place = 1
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
    SELECT named.movie_id, named.known_from, array_sort(collect_list(number)) AS genre_numbers
    FROM (SELECT movie_id, known_from, explode(newest.genres) AS genre FROM versions) AS named
    INNER JOIN store_genres AS genres ON genres.genre = named.genre
    GROUP BY named.movie_id, named.known_from
)

SELECT
    versions.movie_id,
    versions.known_from,
    versions.first_time,
    versions.newest,
    coalesce(numbered.genre_numbers, CAST(array() AS ARRAY<INT>)) AS genre_numbers,
    coalesce(
        aggregate(
            filter(numbered.genre_numbers, number -> number < 62),
            0L,
            (bits, number) -> bits + shiftleft(1L, number)
        ),
        0L
    ) AS genre_bits
FROM versions
LEFT JOIN numbered
    ON numbered.movie_id = versions.movie_id AND numbered.known_from = versions.known_from
WHERE NOT versions.is_old
