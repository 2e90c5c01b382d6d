-- The tables of a store's file that grow from build to build, empty.
--
-- known_from: the instant from which on a row is known. What happened on a UTC day is known from the
-- midnight after it, what arrived later from its arrival on. A state is everything known at its
-- known_from. Rows are only added, except in training_frame, where a pair's row may give way to the
-- one of its first positive, and in user_features, where a user's row gives way to the newest.
CREATE TABLE store.genres (genre VARCHAR, number INTEGER);

CREATE TABLE store.movie_versions (
    movie_id BIGINT,
    known_from TIMESTAMPTZ,
    first_time TIMESTAMPTZ,
    newest STRUCT(
        event_time TIMESTAMPTZ,
        kafka_offset BIGINT,
        kafka_partition INTEGER,
        event_id VARCHAR,
        title VARCHAR,
        genres VARCHAR [],
        "year" INTEGER,
        "language" VARCHAR,
        release_date DATE
    ),
    genre_numbers INTEGER [],
    genre_bits BIGINT
);

CREATE TABLE store.user_versions (
    user_id BIGINT,
    known_from TIMESTAMPTZ,
    first_time TIMESTAMPTZ,
    newest STRUCT(
        event_time TIMESTAMPTZ,
        kafka_offset BIGINT,
        kafka_partition INTEGER,
        event_id VARCHAR,
        age INTEGER,
        country VARCHAR,
        device VARCHAR
    )
);

CREATE TABLE store.user_states (
    user_id BIGINT,
    known_from TIMESTAMPTZ,
    first_time TIMESTAMPTZ,
    last_time TIMESTAMPTZ,
    n_events BIGINT,
    n_days BIGINT,
    n_sessions BIGINT,
    session_us BIGINT,
    n_ratings BIGINT,
    milli_stars BIGINT,
    squares BIGINT,
    n_watches BIGINT,
    watched BIGINT,
    n_positives BIGINT,
    last_liked HUGEINT
);

CREATE TABLE store.taste_states (
    user_id BIGINT, genre INTEGER, known_from TIMESTAMPTZ, recent BIGINT, older BIGINT
);

CREATE TABLE store.priors (known_from TIMESTAMPTZ, n_ratings BIGINT, milli_stars BIGINT);

CREATE TABLE store.movie_states (
    movie_id BIGINT,
    known_from TIMESTAMPTZ,
    first_time TIMESTAMPTZ,
    n_impressions BIGINT,
    n_contacts BIGINT,
    n_ratings BIGINT,
    milli_stars BIGINT,
    squares BIGINT,
    n_watches BIGINT,
    watched BIGINT,
    n_positives BIGINT,
    recent BIGINT,
    older BIGINT,
    prior DOUBLE
);

CREATE TABLE store.training_frame (
    user_id BIGINT,
    movie_id BIGINT,
    event_time TIMESTAMPTZ,
    label TINYINT,
    weight FLOAT,
    met_from TIMESTAMPTZ,
    positive_from TIMESTAMPTZ,
    user_events BIGINT,
    user_days BIGINT,
    user_days_since_last DOUBLE,
    user_sessions BIGINT,
    user_session_minutes DOUBLE,
    user_positives BIGINT,
    user_ratings BIGINT,
    user_rating_mean DOUBLE,
    user_rating_spread DOUBLE,
    user_watch_completion DOUBLE,
    movie_impressions BIGINT,
    movie_contacts BIGINT,
    movie_positives BIGINT,
    movie_positives_7d BIGINT,
    movie_popularity DOUBLE,
    movie_ratings BIGINT,
    movie_rating_mean DOUBLE,
    movie_rating_spread DOUBLE,
    movie_watch_completion DOUBLE,
    movie_age_days BIGINT,
    genre_match DOUBLE,
    liked_similarity DOUBLE,
    seen_before BOOLEAN,
    hour TINYINT,
    weekday TINYINT
);

CREATE TABLE store.user_features (
    user_id BIGINT,
    age INTEGER,
    country VARCHAR,
    device VARCHAR,
    first_seen TIMESTAMPTZ,
    last_active TIMESTAMPTZ,
    n_events BIGINT,
    n_days BIGINT,
    n_sessions BIGINT,
    session_minutes DOUBLE,
    n_positives BIGINT,
    n_ratings BIGINT,
    rating_mean DOUBLE,
    rating_spread DOUBLE,
    watch_completion DOUBLE,
    last_liked BIGINT,
    taste STRUCT(genre INTEGER, weight DOUBLE) []
);
