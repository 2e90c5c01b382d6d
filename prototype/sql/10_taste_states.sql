-- kind: state
WITH carried AS (SELECT * FROM store.taste_states SEMI JOIN (SELECT DISTINCT user_id, genre FROM taste_daily) USING (user_id, genre) QUALIFY row_number() OVER (PARTITION BY user_id, genre ORDER BY known_from DESC) = 1),
steps AS (
    SELECT user_id, genre, known_from, n << (period % 16) AS weighted, period // 16 AS epoch, false AS old FROM taste_daily
    UNION ALL SELECT user_id, genre, known_from, recent, (epoch_us(known_from) // 2419200000000) // 16, true FROM carried
    UNION ALL SELECT user_id, genre, known_from, older, (epoch_us(known_from) // 2419200000000) // 16 - 1, true FROM carried),
sums AS (SELECT user_id, genre, known_from, old,
    CAST(sum(weighted) OVER of_epoch AS BIGINT) AS recent, CAST(coalesce(sum(weighted) OVER epoch_before, 0) AS BIGINT) AS older
FROM steps WINDOW of_epoch AS (PARTITION BY user_id, genre, epoch ORDER BY known_from, old DESC ROWS UNBOUNDED PRECEDING),
    epoch_before AS (PARTITION BY user_id, genre ORDER BY epoch RANGE BETWEEN 1 PRECEDING AND 1 PRECEDING))
SELECT * EXCLUDE (old) FROM sums WHERE NOT old
