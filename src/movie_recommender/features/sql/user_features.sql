-- published: yes
-- entity: user
-- grain: one row per user with an upsert or an interaction before the snapshot's as_of
-- keys: user_id
-- time column: none: the state at as_of
-- window: all events before as_of
-- point in time: event_time < as_of; the newest upsert (by event_time, then kafka_offset) wins whole
-- description: what is known about a user. Attributes are NULL without an upsert. n_positives:
--   movies with a positive contact; rating_mean: of all rating events, in stars, NULL without any;
--   first_seen: first upsert or interaction; last_active: newest interaction, NULL without any.
-- owner: ml-platform-team
WITH upserts AS (
    SELECT
        user_id,
        age,
        country,
        device,
        min(event_time) OVER (PARTITION BY user_id) AS first_time
    FROM users
    WHERE event_date <= $last_day AND event_time < $as_of
    QUALIFY row_number() OVER (
        PARTITION BY user_id
        ORDER BY event_time DESC, kafka_offset DESC, kafka_partition DESC, event_id DESC
    ) = 1
),

activity AS (
    SELECT
        user_id,
        min(first_time) AS first_time,
        max(last_time) AS last_time,
        sum(n_positives) AS n_positives,
        sum(n_ratings) AS n_ratings,
        sum(rating_millionths) AS rating_millionths
    FROM user_history
    GROUP BY user_id
)

SELECT
    coalesce(upserts.user_id, activity.user_id) AS user_id,
    upserts.age,
    upserts.country,
    upserts.device,
    least(upserts.first_time, activity.first_time) AS first_seen,
    activity.last_time AS last_active,
    CAST(coalesce(activity.n_positives, 0) AS BIGINT) AS n_positives,
    CAST(coalesce(activity.n_ratings, 0) AS BIGINT) AS n_ratings,
    CASE
        WHEN activity.n_ratings > 0
            THEN CAST(activity.rating_millionths AS DOUBLE) / (1000000.0 * activity.n_ratings)
    END AS rating_mean
FROM upserts
FULL JOIN activity ON activity.user_id = upserts.user_id
ORDER BY 1
