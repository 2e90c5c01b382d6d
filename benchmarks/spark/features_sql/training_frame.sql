WITH users AS (
    SELECT
        *, lead(known_from) OVER (PARTITION BY user_id ORDER BY known_from) AS known_to
    FROM store_user_states
),

movies AS (
    SELECT
        *, lead(known_from) OVER (PARTITION BY movie_id ORDER BY known_from) AS known_to
    FROM store_movie_states
),

weeks AS (
    SELECT movie_id, known_from, known_to, n_positives FROM movies
),

versions AS (
    SELECT
        movie_id,
        known_from,
        lead(known_from) OVER (PARTITION BY movie_id ORDER BY known_from) AS known_to,
        newest.release_date AS release_date,
        genre_bits
    FROM store_movie_versions
),

of_user AS (
    SELECT
        pairs.*,
        u.* EXCEPT (user_id, known_from, known_to, first_time),
        CAST(u.last_liked % CAST(9223372036854775808 AS DECIMAL(19, 0)) AS BIGINT)
            AS liked_movie_id
    FROM pairs
    LEFT JOIN users AS u
        ON u.user_id = pairs.user_id
        AND pairs.event_time >= u.known_from
        AND (pairs.event_time < u.known_to OR u.known_to IS NULL)
),

of_movie AS (
    SELECT /*+ BROADCAST(m) */
        of_user.*,
        of_user.event_time - INTERVAL 7 DAYS AS week_ago,
        m.known_from AS movie_known_from,
        m.n_impressions AS movie_impressions,
        m.n_contacts AS movie_contacts,
        m.n_positives AS movie_positives,
        m.n_ratings AS movie_ratings,
        m.milli_stars AS movie_milli_stars,
        m.squares AS movie_squares,
        m.n_watches AS movie_watches,
        m.watched AS movie_watched,
        m.recent,
        m.older,
        m.prior
    FROM of_user
    LEFT JOIN movies AS m
        ON m.movie_id = of_user.movie_id
        AND of_user.event_time >= m.known_from
        AND (of_user.event_time < m.known_to OR m.known_to IS NULL)
),

of_week AS (
    SELECT /*+ BROADCAST(m) */
        of_movie.*, m.n_positives AS movie_positives_week_ago
    FROM of_movie
    LEFT JOIN weeks AS m
        ON m.movie_id = of_movie.movie_id
        AND of_movie.week_ago >= m.known_from
        AND (of_movie.week_ago < m.known_to OR m.known_to IS NULL)
),

of_version AS (
    SELECT /*+ BROADCAST(v) */
        of_week.*, v.release_date, v.genre_bits
    FROM of_week
    LEFT JOIN versions AS v
        ON v.movie_id = of_week.movie_id
        AND of_week.event_time >= v.known_from
        AND (of_week.event_time < v.known_to OR v.known_to IS NULL)
),

of_liked AS (
    SELECT /*+ BROADCAST(v) */
        of_version.*, v.genre_bits AS liked_bits
    FROM of_version
    LEFT JOIN versions AS v
        ON v.movie_id = of_version.liked_movie_id
        AND of_version.event_time >= v.known_from
        AND (of_version.event_time < v.known_to OR v.known_to IS NULL)
)

SELECT
    f.user_id,
    f.movie_id,
    f.event_time,
    f.label,
    CAST(1 AS FLOAT) AS weight,
    f.met_from,
    f.positive_from,
    coalesce(f.n_events, 0) AS user_events,
    coalesce(f.n_days, 0) AS user_days,
    CAST(datediff(f.event_time, f.last_time) AS DOUBLE) AS user_days_since_last,
    coalesce(f.n_sessions, 0) AS user_sessions,
    f.session_us / (60000000.0D * nullif(f.n_sessions, 0)) AS user_session_minutes,
    coalesce(f.n_positives, 0) AS user_positives,
    coalesce(f.n_ratings, 0) AS user_ratings,
    f.milli_stars / (1000.0D * nullif(f.n_ratings, 0)) AS user_rating_mean,
    sqrt(CAST(
        CAST(f.n_ratings AS DECIMAL(19, 0)) * f.squares
        - CAST(f.milli_stars AS DECIMAL(19, 0)) * f.milli_stars
        AS DOUBLE
    )) / (1000.0D * nullif(f.n_ratings, 0)) AS user_rating_spread,
    f.watched / (1000000.0D * nullif(f.n_watches, 0)) AS user_watch_completion,
    coalesce(f.movie_impressions, 0) AS movie_impressions,
    coalesce(f.movie_contacts, 0) AS movie_contacts,
    coalesce(f.movie_positives, 0) AS movie_positives,
    coalesce(f.movie_positives, 0) - coalesce(f.movie_positives_week_ago, 0)
        AS movie_positives_7d,
    coalesce(
        CASE
            unix_micros(f.event_time) div 604800000000 div 16
            - unix_micros(f.movie_known_from) div 604800000000 div 16
            WHEN 0 THEN f.recent + f.older / 65536.0D
            WHEN 1 THEN f.recent / 65536.0D
        END / shiftleft(1L, CAST(unix_micros(f.event_time) div 604800000000 % 16 AS INT)),
        0
    ) AS movie_popularity,
    coalesce(f.movie_ratings, 0) AS movie_ratings,
    (10.0D * f.prior + f.movie_milli_stars / 1000.0D) / (10.0D + f.movie_ratings)
        AS movie_rating_mean,
    sqrt(CAST(
        CAST(f.movie_ratings AS DECIMAL(19, 0)) * f.movie_squares
        - CAST(f.movie_milli_stars AS DECIMAL(19, 0)) * f.movie_milli_stars
        AS DOUBLE
    )) / (1000.0D * nullif(f.movie_ratings, 0)) AS movie_rating_spread,
    f.movie_watched / (1000000.0D * nullif(f.movie_watches, 0)) AS movie_watch_completion,
    CAST(datediff(f.event_time, f.release_date) AS BIGINT) AS movie_age_days,
    genre_matches.genre_match,
    bit_count(f.genre_bits & f.liked_bits)
    / CAST(nullif(bit_count(f.genre_bits | f.liked_bits), 0) AS DOUBLE) AS liked_similarity,
    f.met_from <= f.event_time AS seen_before,
    CAST(hour(f.event_time) AS TINYINT) AS hour,
    CAST(extract(DAYOFWEEK_ISO FROM f.event_time) AS TINYINT) AS weekday
FROM of_liked AS f
LEFT JOIN genre_matches
    ON genre_matches.user_id = f.user_id AND genre_matches.movie_id = f.movie_id
