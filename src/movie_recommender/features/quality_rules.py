"""What must hold in a feature store before it is published, as data; `quality` looks at it.

Rows: a condition on every row, as in a CHECK: NULL counts as kept, so that a rule about values says
nothing about missing ones. Keys: what a row is found by stands once. References: a value that
names a row of another table finds it. Counts and ages: numbers at the end.
"""

from dataclasses import dataclass

from movie_recommender.features.findings import Severity


@dataclass(frozen=True)
class RowRule:
    """`condition`, with each of `columns` in the place of `{}`, holds for every row of `table`."""

    table: str
    name: str
    condition: str
    columns: tuple[str, ...]
    expected: str
    severity: Severity = "fail"

    @property
    def rule(self) -> str:
        """TABLE.NAME, as findings are called."""
        return f"{self.table}.{self.name}"

    def holds_for(self, column: str) -> str:
        """SQL: true or NULL for a row whose `column` keeps the rule; may use `$as_of`."""
        return f"({self.condition.replace('{}', column)})"

    @property
    def holds(self) -> str:
        """SQL: false for a row that breaks the rule in any column."""
        return " AND ".join(map(self.holds_for, self.columns))


@dataclass(frozen=True)
class KeyRule:
    """No two rows of `table` agree in `columns`.

    `recent` is SQL that holds for rows that an increment added, known after `$known_until`; None: a
    small table that is made anew by every build.
    """

    table: str
    columns: tuple[str, ...]
    recent: str | None = "known_from > $known_until"

    @property
    def rule(self) -> str:
        """TABLE.unique, as findings are called."""
        return f"{self.table}.unique"


@dataclass(frozen=True)
class ReferenceRule:
    """Every value of `table`'s `column` that isn't NULL stands in `target`'s `key`."""

    table: str
    column: str
    target: str
    key: str

    @property
    def rule(self) -> str:
        """TABLE.COLUMN_known, as findings are called."""
        return f"{self.table}.{self.column}_known"


_SHARE = "{} BETWEEN 0 AND 1"
_STARS = "{} BETWEEN 0.5 AND 5"
_SPREAD = "{} BETWEEN 0 AND 2.5"  # half the range of ratings is 2.25; the rest is for rounding
_AMOUNT = "{} >= 0 AND {} < 'infinity'"  # NaN is above infinity

ROWS = (
    RowRule(
        "training_frame",
        "filled",
        "{} IS NOT NULL",
        ("user_id", "movie_id", "event_time", "label", "weight", "met_from"),
        "a value",
    ),
    RowRule("training_frame", "past", "{} < $as_of", ("event_time",), "a time before as_of"),
    RowRule("training_frame", "label", "{} IN (0, 1)", ("label",), "0 or 1"),
    RowRule(
        "training_frame",
        "label_explained",
        "{} = CAST(positive_from IS NOT NULL AS TINYINT)",
        ("label",),
        "1 with a time from which the positive is known, else 0",
    ),
    RowRule("training_frame", "weight", _AMOUNT, ("weight",), "a number of at least 0"),
    RowRule(
        "training_frame",
        "counts",
        "coalesce({}, -1) >= 0",
        (
            "user_events",
            "user_days",
            "user_sessions",
            "user_positives",
            "user_ratings",
            "movie_impressions",
            "movie_contacts",
            "movie_positives",
            "movie_positives_7d",
            "movie_ratings",
        ),
        "a count of at least 0",
    ),
    RowRule(
        "training_frame",
        "amounts",
        _AMOUNT,
        ("user_session_minutes", "movie_popularity"),
        "a number of at least 0, or NULL",
    ),
    RowRule(
        "training_frame",
        # Nothing of the row's own UTC day may have been counted: it is seen from the next day on.
        "own_day_unseen",
        "{} >= 1 AND {} < 'infinity'",
        ("user_days_since_last",),
        "at least 1 day, or NULL",
    ),
    RowRule(
        "training_frame",
        "stars",
        _STARS,
        ("user_rating_mean", "movie_rating_mean"),
        "0.5 to 5, or NULL",
    ),
    RowRule(
        "training_frame",
        "spreads",
        _SPREAD,
        ("user_rating_spread", "movie_rating_spread"),
        "0 to 2.5, or NULL",
    ),
    RowRule(
        "training_frame",
        "shares",
        _SHARE,
        ("user_watch_completion", "movie_watch_completion", "genre_match", "liked_similarity"),
        "0 to 1, or NULL",
    ),
    RowRule("training_frame", "hour", "{} BETWEEN 0 AND 23", ("hour",), "0 to 23"),
    RowRule("training_frame", "weekday", "{} BETWEEN 1 AND 7", ("weekday",), "1 to 7"),
    RowRule("user_features", "filled", "{} IS NOT NULL", ("user_id",), "a value"),
    RowRule(
        "user_features",
        "past",
        "{} < $as_of",
        ("first_seen", "last_active"),
        "a time before as_of, or NULL",
    ),
    RowRule(
        "user_features",
        "counts",
        "coalesce({}, -1) >= 0",
        ("n_events", "n_days", "n_sessions", "n_positives", "n_ratings"),
        "a count of at least 0",
    ),
    RowRule(
        "user_features",
        "amounts",
        _AMOUNT,
        ("session_minutes",),
        "a number of at least 0, or NULL",
    ),
    RowRule("user_features", "stars", _STARS, ("rating_mean",), "0.5 to 5, or NULL"),
    RowRule("user_features", "spreads", _SPREAD, ("rating_spread",), "0 to 2.5, or NULL"),
    RowRule("user_features", "shares", _SHARE, ("watch_completion",), "0 to 1, or NULL"),
    RowRule(
        "movie_features", "filled", "{} IS NOT NULL", ("movie_id", "title", "genres"), "a value"
    ),
    RowRule("movie_features", "past", "{} < $as_of", ("first_seen",), "a time before as_of"),
    RowRule(
        "movie_features",
        "counts",
        "coalesce({}, -1) >= 0",
        ("n_impressions", "n_contacts", "n_positives", "n_positives_7d", "n_ratings"),
        "a count of at least 0",
    ),
    RowRule("movie_features", "amounts", _AMOUNT, ("popularity",), "a number of at least 0"),
    RowRule("movie_features", "stars", _STARS, ("rating_mean_shrunk",), "0.5 to 5"),
    RowRule("movie_features", "spreads", _SPREAD, ("rating_spread",), "0 to 2.5, or NULL"),
    RowRule("movie_features", "shares", _SHARE, ("watch_completion",), "0 to 1, or NULL"),
)

KEYS = (
    KeyRule(
        "training_frame",
        ("user_id", "movie_id"),
        recent="greatest(met_from, positive_from) > $known_until",
    ),
    KeyRule("user_features", ("user_id",), recent=None),
    KeyRule("movie_features", ("movie_id",), recent=None),
    KeyRule("user_states", ("user_id", "known_from")),
    KeyRule("movie_states", ("movie_id", "known_from")),
    KeyRule("taste_states", ("user_id", "genre", "known_from")),
    KeyRule("user_versions", ("user_id", "known_from")),
    KeyRule("movie_versions", ("movie_id", "known_from")),
    KeyRule("priors", ("known_from",)),
    KeyRule("genres", ("genre",), recent=None),
)

REFERENCES = (
    ReferenceRule("training_frame", "user_id", "user_features", "user_id"),
    ReferenceRule("training_frame", "movie_id", "movie_features", "movie_id"),
    ReferenceRule("user_features", "last_liked", "movie_features", "movie_id"),
)

KEPT = ("training_frame", "positives", "user_features", "movie_features")
"""Rows of these never become fewer from day to day."""
MAX_LOSS = 0.01
"""A loss below this share is a warning only: the lake may have been corrected."""

GROWING = ("training_frame", "positives")
"""Rows of these grow about as much every day."""
GROWTH_FACTOR = 3.0
"""A day may bring so many times more or fewer rows than the median day; weekends bring twice."""
N_GROWTHS = 7
"""Growths, between builds at least half a day apart, that the median is taken from."""
MIN_GROWTHS = 3
"""With fewer there is no median to speak of."""

MAX_AGE_DAYS = 2.0
"""Age of the newest event, and of the newest arrival, at as_of."""
POSITIVE_SHARE = (0.001, 0.999)
"""Share of rows with label 1: outside, there is nothing to learn from."""
