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
-- column genre_match: how much of the user's taste the movie's genres have: the mean, over its
--   genres, of the share of the user's decayed positives that have the genre; NULL: no genres or
--   positives
-- column liked_similarity: shared genres of this movie and the user's last liked one, as a share
--   of all of theirs (Jaccard index); NULL: no liked movie or no genres
-- column seen_before: the pair had met and that was known; only rows of label 1 can have it
-- column hour: of event_time, UTC, 0-23
-- column weekday: of event_time, UTC, 1 Monday - 7 Sunday
WITH tastes AS (
    SELECT user_id, known_from, recent, older
    FROM store.taste_states
    SEMI JOIN pairs USING (user_id)
    WHERE user_id % $n_parts = $part AND genre = -1
),

states AS (
    SELECT *
    FROM store.user_states
    SEMI JOIN pairs USING (user_id)
    WHERE user_id % $n_parts = $part
),

users AS (
    SELECT
        states.user_id,
        states.known_from,
        states.n_events,
        states.n_days,
        CAST(states.last_time AS DATE) AS last_day,
        states.n_sessions,
        states.session_us / (60000000.0 * nullif(states.n_sessions, 0)) AS session_minutes,
        states.n_positives,
        states.n_ratings,
        states.milli_stars / (1000.0 * nullif(states.n_ratings, 0)) AS rating_mean,
        sqrt(CAST(
            CAST(states.n_ratings AS HUGEINT) * states.squares
            - CAST(states.milli_stars AS HUGEINT) * states.milli_stars
            AS DOUBLE
        )) / (1000.0 * nullif(states.n_ratings, 0)) AS rating_spread,
        states.watched / (1000000.0 * nullif(states.n_watches, 0)) AS watch_completion,
        CAST(states.last_liked % CAST(9223372036854775808 AS HUGEINT) AS BIGINT) AS liked_movie_id,
        tastes.known_from AS taste_from,
        tastes.recent,
        tastes.older
    FROM states
    -- What is new in taste is new in activity: the state's own taste is the row's.
    ASOF LEFT JOIN tastes
        ON tastes.user_id = states.user_id AND states.known_from >= tastes.known_from
),

versions AS (
    SELECT
        movie_id,
        known_from,
        lead(known_from, 1, 'infinity') OVER (PARTITION BY movie_id ORDER BY known_from)
            AS known_to,
        genre_bits
    FROM store.movie_versions
)

SELECT
    pairs.user_id,
    pairs.movie_id,
    pairs.event_time,
    pairs.label,
    CAST(1 AS FLOAT) AS weight,
    pairs.met_from,
    pairs.positive_from,
    coalesce(users.n_events, 0) AS user_events,
    coalesce(users.n_days, 0) AS user_days,
    CAST(CAST(pairs.event_time AS DATE) - users.last_day AS DOUBLE) AS user_days_since_last,
    coalesce(users.n_sessions, 0) AS user_sessions,
    users.session_minutes AS user_session_minutes,
    coalesce(users.n_positives, 0) AS user_positives,
    coalesce(users.n_ratings, 0) AS user_ratings,
    users.rating_mean AS user_rating_mean,
    users.rating_spread AS user_rating_spread,
    users.watch_completion AS user_watch_completion,
    coalesce(movies.n_impressions, 0) AS movie_impressions,
    coalesce(movies.n_contacts, 0) AS movie_contacts,
    coalesce(movies.n_positives, 0) AS movie_positives,
    coalesce(movies.n_positives_7d, 0) AS movie_positives_7d,
    coalesce(
        CASE
            epoch_us(pairs.event_time) // 604800000000 // 16
            - epoch_us(movies.known_from) // 604800000000 // 16
            WHEN 0 THEN movies.recent + movies.older / 65536.0
            WHEN 1 THEN movies.recent / 65536.0
        END / (1 << (epoch_us(pairs.event_time) // 604800000000 % 16)),
        0
    ) AS movie_popularity,
    coalesce(movies.n_ratings, 0) AS movie_ratings,
    movies.rating_mean AS movie_rating_mean,
    movies.rating_spread AS movie_rating_spread,
    movies.watch_completion AS movie_watch_completion,
    CAST(pairs.event_time AS DATE) - movies.release_date AS movie_age_days,
    CAST(coalesce(genre_matches.weighted, 0) AS DOUBLE) / nullif(
        len(movies.genre_numbers)
        * CASE
            epoch_us(pairs.event_time) // 2419200000000 // 16
            - epoch_us(users.taste_from) // 2419200000000 // 16
            WHEN 0 THEN 65536 * users.recent + users.older
            WHEN 1 THEN users.recent
        END,
        0
    ) AS genre_match,
    bit_count(movies.genre_bits & liked.genre_bits)
    / CAST(nullif(bit_count(movies.genre_bits | liked.genre_bits), 0) AS DOUBLE)
        AS liked_similarity,
    pairs.met_from <= pairs.event_time AS seen_before,
    CAST(date_part('hour', pairs.event_time) AS TINYINT) AS hour,
    CAST(date_part('isodow', pairs.event_time) AS TINYINT) AS weekday
FROM pair_moments AS pairs
LEFT JOIN users
    ON users.user_id = pairs.user_id AND users.known_from = pairs.user_known_from
LEFT JOIN movie_moments AS movies
    ON movies.movie_id = pairs.movie_id AND movies.begins = pairs.movie_begins
LEFT JOIN versions AS liked
    ON liked.movie_id = users.liked_movie_id
    AND pairs.event_time >= liked.known_from
    AND pairs.event_time < liked.known_to
LEFT JOIN genre_matches ON genre_matches.pair = pairs.rowid
