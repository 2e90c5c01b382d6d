-- published: no
-- entity: user x movie
-- grain: one row per contact event (view, watch, rating, like); impressions and searches are none
-- keys: none; a user may meet a movie many times
-- time column: event_time; day is its UTC date
-- window: all events before the snapshot's as_of
-- point in time: the lake's version bounds arrival, event_time < as_of bounds the events
-- description: the events that say what a user thinks of a movie, and whether that is positive:
--   like, rating >= 3.5 or watch fraction >= 0.5. Ratings are counted in millionths of a star:
--   integer sums don't depend on the order of their terms, so a rebuild gives the same bits.
-- owner: ml-platform-team
SELECT
    user_id,
    movie_id,
    event_time,
    event_date AS day,
    coalesce(
        event_type = 'like'
        OR (event_type = 'rating' AND rating >= 3.5)
        OR (event_type = 'watch' AND fraction >= 0.5),
        false
    ) AS positive,
    CASE WHEN event_type = 'rating' THEN CAST(round(rating * 1000000) AS BIGINT) END
        AS rating_millionths
FROM interactions
WHERE event_date <= $last_day
    AND event_time < $as_of
    AND event_type IN ('view', 'watch', 'rating', 'like')
    AND movie_id IS NOT NULL
