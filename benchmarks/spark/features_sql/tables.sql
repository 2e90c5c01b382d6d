-- The tables of a new store, empty: Spark leaves out what is joined with them.
CREATE OR REPLACE TEMPORARY VIEW store_genres AS
SELECT CAST(NULL AS STRING) AS genre, CAST(NULL AS INT) AS number WHERE FALSE;

CREATE OR REPLACE TEMPORARY VIEW store_movie_versions AS
SELECT
    CAST(NULL AS BIGINT) AS movie_id,
    CAST(NULL AS TIMESTAMP) AS known_from,
    CAST(NULL AS TIMESTAMP) AS first_time,
    CAST(NULL AS STRUCT<
        event_time: TIMESTAMP,
        kafka_offset: BIGINT,
        kafka_partition: INT,
        event_id: STRING,
        title: STRING,
        genres: ARRAY<STRING>,
        year: INT,
        language: STRING,
        release_date: DATE
    >) AS newest
WHERE FALSE;

CREATE OR REPLACE TEMPORARY VIEW store_user_versions AS
SELECT
    CAST(NULL AS BIGINT) AS user_id,
    CAST(NULL AS TIMESTAMP) AS known_from,
    CAST(NULL AS TIMESTAMP) AS first_time,
    CAST(NULL AS STRUCT<
        event_time: TIMESTAMP,
        kafka_offset: BIGINT,
        kafka_partition: INT,
        event_id: STRING,
        age: INT,
        country: STRING,
        device: STRING
    >) AS newest
WHERE FALSE;

CREATE OR REPLACE TEMPORARY VIEW store_user_states AS
SELECT
    CAST(NULL AS BIGINT) AS user_id,
    CAST(NULL AS TIMESTAMP) AS known_from,
    CAST(NULL AS TIMESTAMP) AS first_time,
    CAST(NULL AS TIMESTAMP) AS last_time,
    0L AS n_events,
    0L AS n_days,
    0L AS n_sessions,
    0L AS session_us,
    0L AS n_ratings,
    0L AS milli_stars,
    0L AS squares,
    0L AS n_watches,
    0L AS watched,
    CAST(NULL AS DECIMAL(38, 0)) AS last_liked,
    0L AS n_positives
WHERE FALSE;

CREATE OR REPLACE TEMPORARY VIEW store_taste_states AS
SELECT
    CAST(NULL AS BIGINT) AS user_id,
    0 AS genre,
    CAST(NULL AS TIMESTAMP) AS known_from,
    0L AS recent,
    0L AS older
WHERE FALSE;

CREATE OR REPLACE TEMPORARY VIEW store_priors AS
SELECT CAST(NULL AS TIMESTAMP) AS known_from, 0L AS n_ratings, 0L AS milli_stars WHERE FALSE;

CREATE OR REPLACE TEMPORARY VIEW store_movie_states AS
SELECT
    CAST(NULL AS BIGINT) AS movie_id,
    CAST(NULL AS TIMESTAMP) AS known_from,
    CAST(NULL AS TIMESTAMP) AS first_time,
    0L AS n_impressions,
    0L AS n_contacts,
    0L AS n_ratings,
    0L AS milli_stars,
    0L AS squares,
    0L AS n_watches,
    0L AS watched,
    0L AS n_positives,
    0L AS recent,
    0L AS older,
    CAST(NULL AS DOUBLE) AS prior
WHERE FALSE;

CREATE OR REPLACE TEMPORARY VIEW store_training_frame AS
SELECT
    CAST(NULL AS BIGINT) AS user_id,
    CAST(NULL AS BIGINT) AS movie_id,
    CAST(NULL AS TIMESTAMP) AS event_time,
    CAST(NULL AS TINYINT) AS label,
    CAST(NULL AS TIMESTAMP) AS met_from,
    CAST(NULL AS TIMESTAMP) AS positive_from
WHERE FALSE;

CREATE OR REPLACE TEMPORARY VIEW store_user_features AS
SELECT CAST(NULL AS BIGINT) AS user_id WHERE FALSE
