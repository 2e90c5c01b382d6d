-- kind: state
-- entity: movie
-- grain: one row per movie and known_from of an interaction
-- keys: movie_id, known_from
-- time column: known_from
-- window: all interactions known by then; recent and older decay, half in 7 days
-- description: A movie's impressions, contacts, ratings, watches and positives (users, counted
--   once) as running sums. recent, older: positives of the running and of the last epoch, a positive
--   of week w of the epoch as 2^w. prior: mean of all ratings known then, in stars; 2.75, the middle
--   of the scale 0.5-5.0, before the first.
-- owner: ml-platform-team
WITH carried AS (
    SELECT *
    FROM store.movie_states
    SEMI JOIN movie_days USING (movie_id)
    QUALIFY row_number() OVER (PARTITION BY movie_id ORDER BY known_from DESC) = 1
),

-- A week is 7 days since 1970-01-01, an epoch 16 weeks. Within an epoch the positives of week w
-- count 2^w, so that halving every week is one division by 2^w when the sum is read.
steps AS (
    SELECT
        movie_days.*,
        CASE
            WHEN priors.n_ratings = 0 THEN 2.75
            ELSE CAST(priors.milli_stars AS DOUBLE) / (1000.0 * priors.n_ratings)
        END AS prior,
        epoch_us(known_from) // 604800000000 // 16 AS epoch,
        movie_days.n_positives << (epoch_us(known_from) // 604800000000 % 16) AS weighted,
        FALSE AS is_old
    FROM movie_days
    INNER JOIN store.priors AS priors USING (known_from)
    UNION ALL BY NAME
    SELECT
        * EXCLUDE (recent, older),
        epoch_us(known_from) // 604800000000 // 16 AS epoch,
        recent AS weighted,
        TRUE AS is_old
    FROM carried
    UNION ALL BY NAME
    SELECT
        movie_id,
        known_from - INTERVAL 1 MICROSECOND AS known_from,
        epoch_us(known_from) // 604800000000 // 16 - 1 AS epoch,
        older AS weighted,
        TRUE AS is_old
    FROM carried
),

sums AS (
    SELECT
        movie_id,
        known_from,
        is_old,
        min(first_time) OVER up_to AS first_time,
        CAST(sum(n_impressions) OVER up_to AS BIGINT) AS n_impressions,
        CAST(sum(n_contacts) OVER up_to AS BIGINT) AS n_contacts,
        CAST(sum(n_ratings) OVER up_to AS BIGINT) AS n_ratings,
        CAST(sum(milli_stars) OVER up_to AS BIGINT) AS milli_stars,
        CAST(sum(squares) OVER up_to AS BIGINT) AS squares,
        CAST(sum(n_watches) OVER up_to AS BIGINT) AS n_watches,
        CAST(sum(watched) OVER up_to AS BIGINT) AS watched,
        CAST(sum(n_positives) OVER up_to AS BIGINT) AS n_positives,
        CAST(sum(weighted) OVER of_epoch AS BIGINT) AS recent,
        CAST(coalesce(sum(weighted) OVER epoch_before, 0) AS BIGINT) AS older,
        prior
    FROM steps
    WINDOW
        up_to AS (PARTITION BY movie_id ORDER BY known_from ROWS UNBOUNDED PRECEDING),
        of_epoch AS (PARTITION BY movie_id, epoch ORDER BY known_from ROWS UNBOUNDED PRECEDING),
        epoch_before AS (
            PARTITION BY movie_id ORDER BY epoch RANGE BETWEEN 1 PRECEDING AND 1 PRECEDING
        )
)

SELECT * EXCLUDE (is_old)
FROM sums
WHERE NOT is_old
