-- kind: frame
-- entity: user
-- grain: one row per user with an upsert or an interaction before as_of
-- keys: user_id
-- time column: none: everything the snapshot knows
-- window: all events; taste decays, half in 28 days
-- description: What is known about a user. The newest upsert wins whole; without one the
--   attributes are NULL.
-- owner: ml-platform-team
-- column user_id: the user
-- column age: in years
-- column country: as sent
-- column device: as sent
-- column first_seen: first upsert or interaction
-- column last_active: newest interaction; NULL: none
-- column n_events: interactions
-- column n_days: UTC days with an interaction
-- column n_sessions: sessions
-- column session_minutes: their mean length; NULL: none
-- column n_positives: movies with a positive contact
-- column n_ratings: ratings
-- column rating_mean: their mean, in stars; NULL: none
-- column rating_spread: their standard deviation (population), in stars; NULL: none
-- column watch_completion: mean watched fraction; NULL: none
-- column last_liked: movie of the newest positive contact; NULL: none
-- column taste: positives by genre, each counting half for every 28 days since 1970 that began after
--   it; NULL: none. The file has the genres' numbers, the reader gives their names
WITH states AS (
    SELECT *
    FROM store.user_states
    SEMI JOIN touched_users USING (user_id)
    QUALIFY row_number() OVER (PARTITION BY user_id ORDER BY known_from DESC) = 1
),

versions AS (
    SELECT *
    FROM store.user_versions
    SEMI JOIN touched_users USING (user_id)
    QUALIFY row_number() OVER (PARTITION BY user_id ORDER BY known_from DESC) = 1
),

tastes AS (
    SELECT
        user_id,
        genre,
        CASE
            epoch_us($decayed_to) // 2419200000000 // 16 - epoch_us(known_from) // 2419200000000 // 16
            WHEN 0 THEN recent + older / 65536.0
            WHEN 1 THEN recent / 65536.0
            ELSE 0
        END / (1 << (epoch_us($decayed_to) // 2419200000000 % 16)) AS weight
    FROM (
        SELECT
            user_id,
            genre,
            max(known_from) AS known_from,
            max_by(recent, known_from) AS recent,
            max_by(older, known_from) AS older
        FROM store.taste_states
        SEMI JOIN touched_users USING (user_id)
        WHERE genre >= 0
        GROUP BY user_id, genre
    )
),

taste_lists AS (
    SELECT user_id, list_sort(list({'genre': genre, 'weight': weight})) AS taste
    FROM tastes
    GROUP BY user_id
)

SELECT
    coalesce(versions.user_id, states.user_id) AS user_id,
    versions.newest.age AS age,
    versions.newest.country AS country,
    versions.newest.device AS device,
    least(versions.first_time, states.first_time) AS first_seen,
    states.last_time AS last_active,
    coalesce(states.n_events, 0) AS n_events,
    coalesce(states.n_days, 0) AS n_days,
    coalesce(states.n_sessions, 0) AS n_sessions,
    states.session_us / (60000000.0 * nullif(states.n_sessions, 0)) AS session_minutes,
    coalesce(states.n_positives, 0) AS n_positives,
    coalesce(states.n_ratings, 0) AS n_ratings,
    states.milli_stars / (1000.0 * nullif(states.n_ratings, 0)) AS rating_mean,
    sqrt(CAST(
        CAST(states.n_ratings AS HUGEINT) * states.squares
        - CAST(states.milli_stars AS HUGEINT) * states.milli_stars
        AS DOUBLE
    )) / (1000.0 * nullif(states.n_ratings, 0)) AS rating_spread,
    states.watched / (1000000.0 * nullif(states.n_watches, 0)) AS watch_completion,
    CAST(states.last_liked % CAST(9223372036854775808 AS HUGEINT) AS BIGINT) AS last_liked,
    taste_lists.taste
FROM versions
FULL JOIN states ON states.user_id = versions.user_id
LEFT JOIN taste_lists ON taste_lists.user_id = coalesce(versions.user_id, states.user_id)
ORDER BY 1
