WITH states AS (
    SELECT * EXCEPT (place)
    FROM (
        SELECT *, row_number() OVER (PARTITION BY movie_id ORDER BY known_from DESC) AS place
        FROM store_movie_states
    )
    WHERE place = 1
),

versions AS (
    SELECT * EXCEPT (place)
    FROM (
        SELECT *, row_number() OVER (PARTITION BY movie_id ORDER BY known_from DESC) AS place
        FROM store_movie_versions
    )
    WHERE place = 1
),

liked AS (
    SELECT movie_id, count(*) AS n_positives_7d
    FROM store_training_frame
    WHERE label = 1 AND event_time >= $as_of - INTERVAL 7 DAYS
    GROUP BY movie_id
),

prior AS (
    SELECT
        coalesce(
            max_by(CAST(milli_stars AS DOUBLE) / (1000.0D * nullif(n_ratings, 0)), known_from),
            2.75D
        ) AS newest
    FROM store_priors
)

SELECT
    coalesce(versions.movie_id, states.movie_id) AS movie_id,
    coalesce(
        versions.newest.title, 'movie ' || coalesce(versions.movie_id, states.movie_id)
    ) AS title,
    coalesce(versions.newest.genres, CAST(array() AS ARRAY<STRING>)) AS genres,
    versions.newest.year AS year,
    versions.newest.language AS language,
    versions.newest.release_date AS release_date,
    least(versions.first_time, states.first_time) AS first_seen,
    coalesce(states.n_impressions, 0) AS n_impressions,
    coalesce(states.n_contacts, 0) AS n_contacts,
    coalesce(states.n_positives, 0) AS n_positives,
    coalesce(liked.n_positives_7d, 0) AS n_positives_7d,
    coalesce(
        CASE
            unix_micros($decayed_to) div 604800000000 div 16
            - unix_micros(states.known_from) div 604800000000 div 16
            WHEN 0 THEN states.recent + states.older / 65536.0D
            WHEN 1 THEN states.recent / 65536.0D
        END / shiftleft(1L, CAST(unix_micros($decayed_to) div 604800000000 % 16 AS INT)),
        0
    ) AS popularity,
    coalesce(states.n_ratings, 0) AS n_ratings,
    (10.0D * coalesce(states.prior, prior.newest) + coalesce(states.milli_stars, 0) / 1000.0D)
    / (10.0D + coalesce(states.n_ratings, 0)) AS rating_mean_shrunk,
    sqrt(CAST(
        CAST(states.n_ratings AS DECIMAL(19, 0)) * states.squares
        - CAST(states.milli_stars AS DECIMAL(19, 0)) * states.milli_stars
        AS DOUBLE
    )) / (1000.0D * nullif(states.n_ratings, 0)) AS rating_spread,
    states.watched / (1000000.0D * nullif(states.n_watches, 0)) AS watch_completion
FROM versions
FULL JOIN states ON states.movie_id = versions.movie_id
CROSS JOIN prior
LEFT JOIN liked ON liked.movie_id = coalesce(versions.movie_id, states.movie_id)
ORDER BY 1
