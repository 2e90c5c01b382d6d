-- kind: state
WITH asked AS (SELECT * FROM pairs WHERE is_new OR event_time <> was_event_time OR label <> was_label),
of_user AS (
    SELECT asked.*, u.* EXCLUDE (user_id, known_from, first_time, last_time), u.last_time AS user_last_time
    FROM asked ASOF LEFT JOIN store.user_states AS u ON u.user_id = asked.user_id AND asked.event_time >= u.known_from),
of_movie AS (
    SELECT of_user.*, m.n_impressions AS movie_impressions, m.n_contacts AS movie_contacts, m.n_ratings AS movie_ratings, m.milli_stars AS movie_milli_stars, m.n_positives AS movie_positives, m.recent, m.older, m.known_from AS movie_known_from
    FROM of_user ASOF LEFT JOIN store.movie_states AS m ON m.movie_id = of_user.movie_id AND of_user.event_time >= m.known_from),
of_version AS (
    SELECT of_movie.*, v.genres, v.release_date
    FROM of_movie ASOF LEFT JOIN store.movie_versions AS v ON v.movie_id = of_movie.movie_id AND of_movie.event_time >= v.known_from),
asks AS (SELECT user_id, movie_id, event_time, number AS genre FROM (SELECT user_id, movie_id, event_time, unnest(genres) AS genre FROM of_version) JOIN store.genres USING (genre)),
tastes AS (
    SELECT asks.user_id, asks.movie_id, sum(CASE (epoch_us(asks.event_time) // 2419200000000) // 16 - (epoch_us(t.known_from) // 2419200000000) // 16
        WHEN 0 THEN t.recent + t.older / 65536.0 WHEN 1 THEN t.recent / 65536.0 ELSE 0 END / (1 << ((epoch_us(asks.event_time) // 2419200000000) % 16))) AS taste
    FROM asks ASOF JOIN store.taste_states AS t ON t.user_id = asks.user_id AND t.genre = asks.genre AND asks.event_time >= t.known_from
    GROUP BY ALL)
SELECT v.user_id, v.movie_id, v.event_time, v.label, CAST(1 AS FLOAT) AS weight, v.met_from, v.positive_from,
    coalesce(v.n_positives, 0) AS user_positives, v.n_events AS user_events, v.n_days AS user_days,
    CAST(CAST(v.event_time AS DATE) - CAST(v.user_last_time AS DATE) AS DOUBLE) AS user_days_since_last,
    CASE WHEN v.n_ratings > 0 THEN v.milli_stars / (1000.0 * v.n_ratings) END AS user_rating_mean,
    CASE WHEN v.n_ratings > 0 THEN sqrt(CAST(v.n_ratings::HUGEINT * v.squares - v.milli_stars::HUGEINT * v.milli_stars AS DOUBLE)) / (1000.0 * v.n_ratings) END AS user_rating_spread,
    CASE WHEN v.n_watches > 0 THEN v.watched / (1000000.0 * v.n_watches) END AS user_watch_completion,
    v.n_sessions AS user_sessions, CASE WHEN v.n_sessions > 0 THEN v.session_us / (60000000.0 * v.n_sessions) END AS user_session_minutes,
    coalesce(v.movie_positives, 0) AS movie_positives, v.movie_impressions, v.movie_contacts,
    CASE (epoch_us(v.event_time) // 604800000000) // 16 - (epoch_us(v.movie_known_from) // 604800000000) // 16
        WHEN 0 THEN v.recent + v.older / 65536.0 WHEN 1 THEN v.recent / 65536.0 ELSE 0 END / (1 << ((epoch_us(v.event_time) // 604800000000) % 16)) AS movie_popularity,
    v.met_from <= v.event_time AS seen_before,
    tastes.taste AS genre_match,
    date_part('hour', v.event_time) AS hour, date_part('isodow', v.event_time) AS weekday,
    CAST(v.event_time AS DATE) - v.release_date AS movie_age_days, v.last_liked
FROM of_version AS v LEFT JOIN tastes ON tastes.user_id = v.user_id AND tastes.movie_id = v.movie_id
