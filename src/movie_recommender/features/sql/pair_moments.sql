-- kind: step
-- entity: user x movie
-- grain: one row per row of pairs
-- keys: user_id, movie_id
-- time column: event_time
-- window: everything known at the row's event_time
-- description: Which state of the user and which moment of the movie a training row sees. Found by
--   their keys alone: sorting is for narrow rows, what the states hold is joined to their keys.
-- owner: ml-platform-team
SELECT pairs.*, users.known_from AS user_known_from, movies.begins AS movie_begins
FROM pairs
ASOF LEFT JOIN (
    SELECT user_id, known_from
    FROM store.user_states
    SEMI JOIN pairs USING (user_id)
    WHERE user_id % $n_parts = $part
) AS users
    ON users.user_id = pairs.user_id AND pairs.event_time >= users.known_from
ASOF LEFT JOIN (SELECT movie_id, begins FROM movie_moments) AS movies
    ON movies.movie_id = pairs.movie_id AND pairs.event_time >= movies.begins
WHERE pairs.user_id % $n_parts = $part
