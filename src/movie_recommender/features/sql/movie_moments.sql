-- kind: step
-- entity: movie
-- grain: one row per movie of pairs and instant from which something else is known of it
-- keys: movie_id, begins
-- time column: begins
-- window: everything known by then; movie_positives_7d: what became known in the 7 days before
-- description: What a training row sees of its movie: that of the last moment which begins by its
--   event_time. A moment begins with a state, with a version of the catalogue, and where a state is
--   7 days old. known_from: of the state, from which recent and older are counted.
-- owner: ml-platform-team
WITH states AS (
    SELECT *
    FROM store.movie_states
    SEMI JOIN pairs USING (movie_id)
),

versions AS (
    SELECT movie_id, known_from, newest.release_date AS release_date, genre_numbers, genre_bits
    FROM store.movie_versions
    SEMI JOIN pairs USING (movie_id)
),

changes AS (
    SELECT movie_id, known_from AS begins, known_from AS state_from FROM states
    UNION ALL BY NAME
    SELECT movie_id, known_from + INTERVAL 7 DAYS AS begins, n_positives AS positives_week_ago
    FROM states
    UNION ALL BY NAME
    SELECT movie_id, known_from AS begins, known_from AS version_from FROM versions
),

moments AS (
    SELECT
        movie_id,
        begins,
        max(state_from) AS state_from,
        max(positives_week_ago) AS positives_week_ago,
        max(version_from) AS version_from
    FROM changes
    GROUP BY movie_id, begins
),

-- All three only rise, so that the greatest up to a moment is the newest.
carried AS (
    SELECT
        movie_id,
        begins,
        max(state_from) OVER up_to AS state_from,
        max(positives_week_ago) OVER up_to AS positives_week_ago,
        max(version_from) OVER up_to AS version_from
    FROM moments
    WINDOW up_to AS (PARTITION BY movie_id ORDER BY begins ROWS UNBOUNDED PRECEDING)
)

SELECT
    carried.movie_id,
    carried.begins,
    states.known_from,
    states.n_impressions,
    states.n_contacts,
    states.n_positives,
    states.n_positives - coalesce(carried.positives_week_ago, 0) AS n_positives_7d,
    states.recent,
    states.older,
    states.n_ratings,
    (10.0 * states.prior + states.milli_stars / 1000.0) / (10.0 + states.n_ratings) AS rating_mean,
    sqrt(CAST(
        CAST(states.n_ratings AS HUGEINT) * states.squares
        - CAST(states.milli_stars AS HUGEINT) * states.milli_stars
        AS DOUBLE
    )) / (1000.0 * nullif(states.n_ratings, 0)) AS rating_spread,
    states.watched / (1000000.0 * nullif(states.n_watches, 0)) AS watch_completion,
    versions.release_date,
    versions.genre_bits,
    coalesce(versions.genre_numbers, []) AS genre_numbers
FROM carried
LEFT JOIN states
    ON states.movie_id = carried.movie_id AND states.known_from = carried.state_from
LEFT JOIN versions
    ON versions.movie_id = carried.movie_id AND versions.known_from = carried.version_from
