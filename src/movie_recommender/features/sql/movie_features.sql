-- kind: entity
-- entity: movie
-- grain: one row per movie with an upsert or an interaction before as_of
-- keys: movie_id
-- time column: none: everything the snapshot knows
-- window: all events; n_positives_7d: 7 days; popularity decays, half in 7 days
-- description: What is known about a movie. The newest upsert wins whole; without one: title
--   'movie <id>', no genres, NULL attributes.
-- owner: ml-platform-team
-- column movie_id: the movie
-- column title: as sent
-- column genres: sorted
-- column year: of release
-- column language: as sent
-- column release_date: as sent
-- column first_seen: first upsert or interaction that isn't a search
-- column n_impressions: times shown
-- column n_contacts: views, watches, ratings and likes
-- column n_positives: users with a positive contact
-- column n_positives_7d: first positive contacts in the 7 * 24 h before as_of
-- column popularity: positives, each counting half for every 7 days since 1970 that began after it
-- column n_ratings: ratings
-- column rating_mean_shrunk: (10 prior + sum of ratings) / (10 + ratings), the prior as of the
--   movie's last interaction, else of now (Bayesian average)
-- column rating_spread: standard deviation (population) of its ratings, in stars; NULL: none
-- column watch_completion: mean watched fraction; NULL: none
WITH states AS (
    SELECT *
    FROM store.movie_states
    QUALIFY row_number() OVER (PARTITION BY movie_id ORDER BY known_from DESC) = 1
),

versions AS (
    SELECT *
    FROM store.movie_versions
    QUALIFY row_number() OVER (PARTITION BY movie_id ORDER BY known_from DESC) = 1
),

liked AS (
    SELECT movie_id, count(*) AS n_positives_7d
    FROM store.training_frame
    WHERE label = 1 AND event_time >= $as_of - INTERVAL 7 DAYS
    GROUP BY movie_id
),

prior AS (
    SELECT
        coalesce(
            max_by(CAST(milli_stars AS DOUBLE) / (1000.0 * nullif(n_ratings, 0)), known_from), 2.75
        ) AS newest
    FROM store.priors
)

SELECT
    coalesce(versions.movie_id, states.movie_id) AS movie_id,
    coalesce(
        versions.newest.title, 'movie ' || coalesce(versions.movie_id, states.movie_id)
    ) AS title,
    coalesce(versions.newest.genres, []) AS genres,
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
            epoch_us($decayed_to) // 604800000000 // 16
            - epoch_us(states.known_from) // 604800000000 // 16
            WHEN 0 THEN states.recent + states.older / 65536.0
            WHEN 1 THEN states.recent / 65536.0
        END / (1 << (epoch_us($decayed_to) // 604800000000 % 16)),
        0
    ) AS popularity,
    coalesce(states.n_ratings, 0) AS n_ratings,
    (10.0 * coalesce(states.prior, prior.newest) + coalesce(states.milli_stars, 0) / 1000.0)
    / (10.0 + coalesce(states.n_ratings, 0)) AS rating_mean_shrunk,
    sqrt(CAST(
        CAST(states.n_ratings AS HUGEINT) * states.squares
        - CAST(states.milli_stars AS HUGEINT) * states.milli_stars
        AS DOUBLE
    )) / (1000.0 * nullif(states.n_ratings, 0)) AS rating_spread,
    states.watched / (1000000.0 * nullif(states.n_watches, 0)) AS watch_completion
FROM versions
FULL JOIN states ON states.movie_id = versions.movie_id
CROSS JOIN prior
LEFT JOIN liked ON liked.movie_id = coalesce(versions.movie_id, states.movie_id)
ORDER BY 1
