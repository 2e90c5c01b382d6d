-- published: no
-- entity: movie
-- grain: one row per movie and UTC day with an upsert: the newest of that day (by event_time, then
--   kafka_offset)
-- keys: movie_id, known_from
-- time column: known_from
-- window: valid on the days known_from ... known_until (both inclusive; 9999-12-31: still)
-- point in time: an upsert is known from the day after it
-- description: the catalogue as it was known on each day. genres: sorted, without repetition.
--   genre_bits: one bit per genre of the whole catalogue, NULL without genres; which genre owns
--   which bit differs between builds and must not be published.
-- owner: ml-platform-team
WITH upserts AS (
    SELECT
        *,
        list_sort(list_distinct(list_filter(coalesce(genres, []), lambda genre: genre IS NOT NULL)))
            AS genre_list,
        min(event_time) OVER (PARTITION BY movie_id, event_date) AS first_time
    FROM movies
    WHERE event_date <= $last_day AND event_time < $as_of
    QUALIFY row_number() OVER (
        PARTITION BY movie_id, event_date
        ORDER BY event_time DESC, kafka_offset DESC, kafka_partition DESC, event_id DESC
    ) = 1
),

bits AS (
    SELECT genre, CAST(row_number() OVER (ORDER BY genre) - 1 AS INTEGER) AS bit
    FROM (SELECT DISTINCT unnest(genre_list) AS genre FROM upserts)
),

genre_bits AS (
    SELECT
        single.movie_id,
        single.event_date,
        bit_or(set_bit(bitstring('0', (SELECT CAST(count(*) AS INTEGER) FROM bits)), bits.bit, 1))
            AS genre_bits
    FROM (SELECT movie_id, event_date, unnest(genre_list) AS genre FROM upserts) AS single
    INNER JOIN bits ON bits.genre = single.genre
    GROUP BY single.movie_id, single.event_date
)

SELECT
    upserts.movie_id,
    upserts.event_date + 1 AS known_from,
    lead(upserts.event_date, 1, DATE '9999-12-31')
        OVER (PARTITION BY upserts.movie_id ORDER BY upserts.event_date) AS known_until,
    upserts.first_time,
    upserts.title,
    upserts.genre_list AS genres,
    upserts.year,
    upserts.language,
    genre_bits.genre_bits
FROM upserts
LEFT JOIN genre_bits
    ON genre_bits.movie_id = upserts.movie_id AND genre_bits.event_date = upserts.event_date
