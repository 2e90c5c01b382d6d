-- published: no
-- entity: user x movie
-- grain: one row per (user, movie) that met
-- keys: user_id, movie_id
-- time column: event_time; day is its UTC date
-- window: all contacts before the snapshot's as_of
-- point in time: a label is what happened, not a feature; event_time says from when on it is known
-- description: label 1 at the time of the pair's first positive contact, else label 0 at the time
--   of its first contact.
-- owner: ml-platform-team
SELECT
    user_id,
    movie_id,
    coalesce(min(event_time) FILTER (WHERE positive), min(event_time)) AS event_time,
    coalesce(min(day) FILTER (WHERE positive), min(day)) AS day,
    CAST(bool_or(positive) AS TINYINT) AS label
FROM contacts
GROUP BY user_id, movie_id
