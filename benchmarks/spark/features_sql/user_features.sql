WITH states AS (
    SELECT * EXCEPT (place)
    FROM (
        SELECT *, row_number() OVER (PARTITION BY user_id ORDER BY known_from DESC) AS place
        FROM store_user_states
        LEFT SEMI JOIN touched_users USING (user_id)
    )
    WHERE place = 1
),

versions AS (
    SELECT * EXCEPT (place)
    FROM (
        SELECT *, row_number() OVER (PARTITION BY user_id ORDER BY known_from DESC) AS place
        FROM store_user_versions
        LEFT SEMI JOIN touched_users USING (user_id)
    )
    WHERE place = 1
),

tastes AS (
    SELECT
        user_id,
        genre,
        CASE
            unix_micros($decayed_to) div 2419200000000 div 16
            - unix_micros(known_from) div 2419200000000 div 16
            WHEN 0 THEN recent + older / 65536.0D
            WHEN 1 THEN recent / 65536.0D
            ELSE 0
        END / shiftleft(1L, CAST(unix_micros($decayed_to) div 2419200000000 % 16 AS INT)) AS weight
    FROM (
        SELECT
            user_id,
            genre,
            max(known_from) AS known_from,
            max_by(recent, known_from) AS recent,
            max_by(older, known_from) AS older
        FROM store_taste_states
        LEFT SEMI JOIN touched_users USING (user_id)
        WHERE genre >= 0
        GROUP BY user_id, genre
    )
),

taste_lists AS (
    SELECT
        user_id, array_sort(collect_list(named_struct('genre', genre, 'weight', weight))) AS taste
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
    states.session_us / (60000000.0D * nullif(states.n_sessions, 0)) AS session_minutes,
    coalesce(states.n_positives, 0) AS n_positives,
    coalesce(states.n_ratings, 0) AS n_ratings,
    states.milli_stars / (1000.0D * nullif(states.n_ratings, 0)) AS rating_mean,
    sqrt(CAST(
        CAST(states.n_ratings AS DECIMAL(19, 0)) * states.squares
        - CAST(states.milli_stars AS DECIMAL(19, 0)) * states.milli_stars
        AS DOUBLE
    )) / (1000.0D * nullif(states.n_ratings, 0)) AS rating_spread,
    states.watched / (1000000.0D * nullif(states.n_watches, 0)) AS watch_completion,
    CAST(states.last_liked % CAST(9223372036854775808 AS DECIMAL(19, 0)) AS BIGINT) AS last_liked,
    taste_lists.taste
FROM versions
FULL JOIN states ON states.user_id = versions.user_id
LEFT JOIN taste_lists ON taste_lists.user_id = coalesce(versions.user_id, states.user_id)
ORDER BY 1
