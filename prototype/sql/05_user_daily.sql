-- kind: step
WITH sessions AS (
    SELECT user_id, known_from, CAST(event_time AS DATE) AS day, session_id, count(*) AS n_events, min(event_time) AS first_time, max(event_time) AS last_time,
        count(milli_stars) AS n_ratings, sum(milli_stars) AS milli_stars, sum(milli_stars * milli_stars) AS squares,
        count(watched) AS n_watches, sum(watched) AS watched,
        max(epoch_us(event_time) * 9223372036854775808::HUGEINT + movie_id) FILTER (positive) AS last_liked
    FROM arrivals GROUP BY ALL),
acted AS (
    SELECT user_id, known_from, sum(n_events) AS n_events, count(DISTINCT day) AS n_days, min(first_time) AS first_time, max(last_time) AS last_time,
        count(session_id) AS n_sessions, coalesce(sum(epoch_us(last_time) - epoch_us(first_time)) FILTER (session_id IS NOT NULL), 0) AS session_us,
        sum(n_ratings) AS n_ratings, coalesce(sum(milli_stars), 0) AS milli_stars, coalesce(sum(squares), 0) AS squares,
        sum(n_watches) AS n_watches, coalesce(sum(watched), 0) AS watched, max(last_liked) AS last_liked
    FROM sessions GROUP BY ALL),
liked AS (SELECT user_id, positive_from AS known_from, count(*) AS n_positives FROM pairs WHERE is_newly_positive GROUP BY ALL)
SELECT acted.*, coalesce(liked.n_positives, 0) AS n_positives FROM acted LEFT JOIN liked USING (user_id, known_from)
