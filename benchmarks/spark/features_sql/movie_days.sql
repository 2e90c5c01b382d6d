WITH acted AS (
    SELECT
        movie_id,
        known_from,
        min(event_time) AS first_time,
        count(*) FILTER (WHERE is_impression) AS n_impressions,
        count(*) FILTER (WHERE is_contact) AS n_contacts,
        count(milli_stars) AS n_ratings,
        coalesce(sum(milli_stars), 0) AS milli_stars,
        coalesce(sum(milli_stars * milli_stars), 0) AS squares,
        count(watched) AS n_watches,
        coalesce(sum(watched), 0) AS watched
    FROM arrivals
    WHERE is_impression OR is_contact
    GROUP BY movie_id, known_from
),

liked AS (
    SELECT movie_id, positive_from AS known_from, count(*) AS n_positives
    FROM pairs
    WHERE is_newly_positive
    GROUP BY movie_id, positive_from
)

SELECT acted.*, coalesce(liked.n_positives, 0) AS n_positives
FROM acted
LEFT JOIN liked ON liked.movie_id = acted.movie_id AND liked.known_from = acted.known_from
