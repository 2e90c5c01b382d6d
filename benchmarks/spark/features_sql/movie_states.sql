WITH carried AS (
    SELECT * EXCEPT (place)
    FROM (
        SELECT *, row_number() OVER (PARTITION BY movie_id ORDER BY known_from DESC) AS place
        FROM store_movie_states
        LEFT SEMI JOIN movie_days USING (movie_id)
    )
    WHERE place = 1
),

steps AS (
    SELECT
        movie_days.*,
        CASE
            WHEN priors.n_ratings = 0 THEN 2.75D
            ELSE CAST(priors.milli_stars AS DOUBLE) / (1000.0D * priors.n_ratings)
        END AS prior,
        unix_micros(movie_days.known_from) div 604800000000 div 16 AS epoch,
        shiftleft(
            movie_days.n_positives,
            CAST(unix_micros(movie_days.known_from) div 604800000000 % 16 AS INT)
        ) AS weighted,
        FALSE AS is_old
    FROM movie_days
    INNER JOIN store_priors AS priors ON priors.known_from = movie_days.known_from
    UNION ALL
    SELECT
        movie_id,
        known_from,
        first_time,
        n_impressions,
        n_contacts,
        n_ratings,
        milli_stars,
        squares,
        n_watches,
        watched,
        n_positives,
        prior,
        unix_micros(known_from) div 604800000000 div 16 AS epoch,
        recent AS weighted,
        TRUE AS is_old
    FROM carried
    UNION ALL
    SELECT
        movie_id,
        known_from - INTERVAL 1 MICROSECOND AS known_from,
        NULL AS first_time,
        NULL AS n_impressions,
        NULL AS n_contacts,
        NULL AS n_ratings,
        NULL AS milli_stars,
        NULL AS squares,
        NULL AS n_watches,
        NULL AS watched,
        NULL AS n_positives,
        NULL AS prior,
        unix_micros(known_from) div 604800000000 div 16 - 1 AS epoch,
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
        sum(n_impressions) OVER up_to AS n_impressions,
        sum(n_contacts) OVER up_to AS n_contacts,
        sum(n_ratings) OVER up_to AS n_ratings,
        sum(milli_stars) OVER up_to AS milli_stars,
        sum(squares) OVER up_to AS squares,
        sum(n_watches) OVER up_to AS n_watches,
        sum(watched) OVER up_to AS watched,
        sum(n_positives) OVER up_to AS n_positives,
        sum(weighted) OVER of_epoch AS recent,
        coalesce(sum(weighted) OVER epoch_before, 0) AS older,
        prior
    FROM steps
    WINDOW
        up_to AS (PARTITION BY movie_id ORDER BY known_from ROWS UNBOUNDED PRECEDING),
        of_epoch AS (PARTITION BY movie_id, epoch ORDER BY known_from ROWS UNBOUNDED PRECEDING),
        epoch_before AS (
            PARTITION BY movie_id ORDER BY epoch RANGE BETWEEN 1 PRECEDING AND 1 PRECEDING
        )
)

SELECT * EXCEPT (is_old)
FROM sums
WHERE NOT is_old
