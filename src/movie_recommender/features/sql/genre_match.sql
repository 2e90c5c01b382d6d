-- published: no
-- entity: user x movie
-- grain: one row per example whose movie's genres are known on its day
-- keys: user_id, movie_id
-- time column: day
-- window: all earlier days
-- point in time: positives of earlier days; the genres of both movies as known on the example's day
-- description: how many of the user's earlier positive movies share at least one genre with this
--   one. Both sides are first collapsed by genre set, then met user by user: the work is the sum
--   over users of (days x genre sets asked for) x (genre sets liked), never users x users.
-- owner: ml-platform-team
WITH asked AS (
    SELECT examples.user_id, examples.movie_id, examples.day, movie_versions.genre_bits
    FROM examples
    INNER JOIN movie_versions
        ON movie_versions.movie_id = examples.movie_id
        AND examples.day BETWEEN movie_versions.known_from AND movie_versions.known_until
    WHERE movie_versions.genre_bits IS NOT NULL
),

questions AS (SELECT DISTINCT user_id, day, genre_bits FROM asked),

tastes AS (
    SELECT
        examples.user_id,
        movie_versions.genre_bits,
        greatest(examples.day + 1, movie_versions.known_from) AS from_day,
        movie_versions.known_until AS until_day,
        count(*) AS n_positives
    FROM examples
    INNER JOIN movie_versions
        ON movie_versions.movie_id = examples.movie_id
        AND movie_versions.known_until > examples.day
    WHERE examples.label = 1 AND movie_versions.genre_bits IS NOT NULL
    GROUP BY ALL
),

answers AS (
    SELECT
        questions.user_id,
        questions.day,
        questions.genre_bits,
        sum(tastes.n_positives) AS n_matching
    FROM questions
    INNER JOIN tastes
        ON tastes.user_id = questions.user_id
        AND questions.day BETWEEN tastes.from_day AND tastes.until_day
        AND bit_count(tastes.genre_bits & questions.genre_bits) > 0
    GROUP BY questions.user_id, questions.day, questions.genre_bits
)

SELECT asked.user_id, asked.movie_id, coalesce(answers.n_matching, 0) AS n_matching
FROM asked
LEFT JOIN answers
    ON answers.user_id = asked.user_id
    AND answers.day = asked.day
    AND answers.genre_bits = asked.genre_bits
