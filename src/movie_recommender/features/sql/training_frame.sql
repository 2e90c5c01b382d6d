-- kind: frame
-- entity: user x movie
-- grain: one row per pair that met before as_of
-- keys: user_id, movie_id
-- time column: event_time
-- window: everything known at the row's event_time
-- description: Labels with the features of that moment. Joined by arrival: a value enters only if
--   it had happened on an earlier UTC day and had arrived, see known_from in tables.sql.
-- owner: ml-platform-team
-- column user_id: the user
-- column movie_id: the movie
-- column event_time: of the first positive contact, else of the first contact
-- column label: 1: a positive contact (a like, a rating of 3.5 stars and more, a watch of half and
--   more); 0: met without one
-- column weight: of the row in training; 1
-- column met_from: when the pair's first contact became known; not a feature
-- column positive_from: when its first positive contact became known; not a feature
-- column user_events: interactions of the user, impressions and searches too
-- column user_days: UTC days with an interaction
-- column user_days_since_last: whole days since the user's last known interaction; NULL: none
-- column user_sessions: sessions, see user_days
-- column user_session_minutes: their mean length; NULL: none
-- column user_positives: movies with a positive contact
-- column user_ratings: ratings
-- column user_rating_mean: their mean, in stars; NULL: none
-- column user_rating_spread: their standard deviation (population), in stars; NULL: none
-- column user_watch_completion: mean watched fraction; NULL: none
-- column movie_impressions: times shown
-- column movie_contacts: views, watches, ratings and likes
-- column movie_positives: users with a positive contact
-- column movie_positives_7d: of these, what became known in the last 7 days
-- column movie_popularity: positives, each counting half for every 7 days since 1970 that began
--   after it
-- column movie_ratings: ratings
-- column movie_rating_mean: (10 prior + sum of ratings) / (10 + ratings), the prior as of the
--   movie's last interaction; NULL: nothing known (Bayesian average)
-- column movie_rating_spread: standard deviation (population) of its ratings, in stars; NULL: none
-- column movie_watch_completion: mean watched fraction; NULL: none
-- column movie_age_days: days since release; NULL: not known
-- column genre_match: see genre_matches
-- column liked_similarity: shared genres of this movie and the user's last liked one, as a share
--   of all of theirs (Jaccard index); NULL: no liked movie or no genres
-- column seen_before: the pair had met and that was known; only rows of label 1 can have it
-- column hour: of event_time, UTC, 0-23
-- column weekday: of event_time, UTC, 1 Monday - 7 Sunday
WITH of_user AS (
    SELECT
        pairs.*,
        u.* EXCLUDE (user_id, known_from, first_time),
        CAST(u.last_liked % CAST(9223372036854775808 AS HUGEINT) AS BIGINT) AS liked_movie_id
    FROM pairs
    ASOF LEFT JOIN (
        SELECT *
        FROM store.user_states
        SEMI JOIN pairs USING (user_id)
        WHERE user_id % $n_parts = $part
    ) AS u
        ON u.user_id = pairs.user_id AND pairs.event_time >= u.known_from
    WHERE pairs.user_id % $n_parts = $part
),

of_movie AS (
    SELECT
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
    ASOF LEFT JOIN store.movie_states AS m
        ON m.movie_id = of_user.movie_id AND of_user.event_time >= m.known_from
),

of_week AS (
    SELECT of_movie.*, m.n_positives AS movie_positives_week_ago
    FROM of_movie
    ASOF LEFT JOIN store.movie_states AS m
        ON m.movie_id = of_movie.movie_id AND of_movie.week_ago >= m.known_from
),

of_version AS (
    SELECT of_week.*, v.newest.release_date AS release_date, v.genre_bits
    FROM of_week
    ASOF LEFT JOIN store.movie_versions AS v
        ON v.movie_id = of_week.movie_id AND of_week.event_time >= v.known_from
),

of_liked AS (
    SELECT of_version.*, v.genre_bits AS liked_bits
    FROM of_version
    ASOF LEFT JOIN store.movie_versions AS v
        ON v.movie_id = of_version.liked_movie_id AND of_version.event_time >= v.known_from
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
    CAST(CAST(f.event_time AS DATE) - CAST(f.last_time AS DATE) AS DOUBLE) AS user_days_since_last,
    coalesce(f.n_sessions, 0) AS user_sessions,
    f.session_us / (60000000.0 * nullif(f.n_sessions, 0)) AS user_session_minutes,
    coalesce(f.n_positives, 0) AS user_positives,
    coalesce(f.n_ratings, 0) AS user_ratings,
    f.milli_stars / (1000.0 * nullif(f.n_ratings, 0)) AS user_rating_mean,
    sqrt(CAST(
        CAST(f.n_ratings AS HUGEINT) * f.squares - CAST(f.milli_stars AS HUGEINT) * f.milli_stars
        AS DOUBLE
    )) / (1000.0 * nullif(f.n_ratings, 0)) AS user_rating_spread,
    f.watched / (1000000.0 * nullif(f.n_watches, 0)) AS user_watch_completion,
    coalesce(f.movie_impressions, 0) AS movie_impressions,
    coalesce(f.movie_contacts, 0) AS movie_contacts,
    coalesce(f.movie_positives, 0) AS movie_positives,
    coalesce(f.movie_positives, 0) - coalesce(f.movie_positives_week_ago, 0) AS movie_positives_7d,
    coalesce(
        CASE
            epoch_us(f.event_time) // 604800000000 // 16
            - epoch_us(f.movie_known_from) // 604800000000 // 16
            WHEN 0 THEN f.recent + f.older / 65536.0
            WHEN 1 THEN f.recent / 65536.0
        END / (1 << (epoch_us(f.event_time) // 604800000000 % 16)),
        0
    ) AS movie_popularity,
    coalesce(f.movie_ratings, 0) AS movie_ratings,
    (10.0 * f.prior + f.movie_milli_stars / 1000.0) / (10.0 + f.movie_ratings)
        AS movie_rating_mean,
    sqrt(CAST(
        CAST(f.movie_ratings AS HUGEINT) * f.movie_squares
        - CAST(f.movie_milli_stars AS HUGEINT) * f.movie_milli_stars
        AS DOUBLE
    )) / (1000.0 * nullif(f.movie_ratings, 0)) AS movie_rating_spread,
    f.movie_watched / (1000000.0 * nullif(f.movie_watches, 0)) AS movie_watch_completion,
    CAST(f.event_time AS DATE) - f.release_date AS movie_age_days,
    genre_matches.genre_match,
    bit_count(f.genre_bits & f.liked_bits)
    / CAST(nullif(bit_count(f.genre_bits | f.liked_bits), 0) AS DOUBLE) AS liked_similarity,
    f.met_from <= f.event_time AS seen_before,
    CAST(date_part('hour', f.event_time) AS TINYINT) AS hour,
    CAST(date_part('isodow', f.event_time) AS TINYINT) AS weekday
FROM of_liked AS f
LEFT JOIN genre_matches
    ON genre_matches.user_id = f.user_id AND genre_matches.movie_id = f.movie_id
