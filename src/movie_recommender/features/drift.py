"""Drift: do the newest rows look as those did that the model in production learned from?

`profile` keeps, with each snapshot, how the features of its last seven days were distributed;
`compare` puts the same days of a later store into the same bins. A feature's distance is the
population stability index

    PSI = sum over bins of (today - reference) * ln(today / reference),

Siddiqi, Credit Risk Scorecards (2006), by which a PSI below 0.1 is no change and one above 0.25 a
strong change; it is the symmetric divergence of Jeffreys (1946). The genres' distance is that of
Jensen and Shannon to the base 2, from 0 to 1 (Lin, 1991; Endres and Schindelin, 2003).
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import duckdb
import numpy as np
from scipy.spatial.distance import jensenshannon

from movie_recommender.features.findings import Finding
from movie_recommender.features.profiles import (
    GENRES,
    FeatureProfile,
    Floats,
    column_shares,
    from_json,
    genre_shares,
    profile,
    read_newest,
    to_json,
)

__all__ = [
    "Drift",
    "FeatureProfile",
    "compare",
    "drift_findings",
    "from_json",
    "js_distance",
    "limit_of",
    "measure_of",
    "profile",
    "psi",
    "to_json",
]

MIN_ROWS = 1_000
"""With fewer on either side nothing is said. Without any drift PSI is (bins - 1) * (1/n + 1/m) on
average (Yurdakul and Naranjo, 2020): 0.02 here."""
FLOOR = 1e-4
"""Share that an empty bin counts with; the logarithm needs one."""
SOME, STRONG = 0.1, 0.25
"""PSI from which on a change is one, and a strong one."""

Level = Literal["none", "some", "strong", "unknown"]
Measure = Literal["PSI", "Jensen-Shannon distance"]


@dataclass(frozen=True)
class Drift:
    """How far a feature is from its reference. JSON-able.

    Attributes:
        feature: as in its profile.
        measure: what `value` is: PSI, or for genres the Jensen-Shannon distance, base 2.
        value: 0 for the same distribution.
        level: by the limits of the PSI; `unknown` with fewer than `MIN_ROWS` rows on a side.
        bins: what each bin holds, as text; a column's last one holds its missing values.
        reference: shares of the bins then, same length.
        today: shares of the bins now, same length.
        n_reference: rows of the reference.
        n_today: rows of today.
    """

    feature: str
    measure: Measure
    value: float
    level: Level
    bins: tuple[str, ...]
    reference: tuple[float, ...]
    today: tuple[float, ...]
    n_reference: int
    n_today: int


def compare(
    connection: duckdb.DuckDBPyConnection, as_of: datetime, reference: Sequence[FeatureProfile]
) -> list[Drift]:
    """The drift of each feature of `reference` that the store still has, in that order.

    Today's rows, of the seven days before `as_of`, are counted in the bins of the reference.
    """
    newest = read_newest(connection, as_of)
    drifts = []
    for then in reference:
        if then.feature == GENRES:
            drifts.append(_genres_drift(then, newest.genres))
        elif then.feature in newest.columns:
            drifts.append(_column_drift(then, newest.columns[then.feature]))
    return drifts


def psi(reference: Sequence[float], today: Sequence[float]) -> float:
    """Population stability index of two lists of shares; at least 0, shares at least `FLOOR`."""
    then, now = np.maximum(reference, FLOOR), np.maximum(today, FLOOR)
    return float(np.sum((now - then) * np.log(now / then)))


def js_distance(reference: Sequence[float], today: Sequence[float]) -> float:
    """Jensen-Shannon distance to the base 2 of two lists of shares, each with sum 1; 0 to 1."""
    # scipy takes the root of a sum that rounding puts just below 0 where the lists are equal.
    with np.errstate(invalid="ignore"):
        distance = float(jensenshannon(reference, today, base=2))
    return 0.0 if math.isnan(distance) else distance


def drift_findings(drifts: Iterable[Drift], *, fail_above: float | None = None) -> list[Finding]:
    """A rule for each drift, broken where there is some; `unknown` counts as none.

    Severity is `warn`: the world may change, and the next model follows it. A drift beyond the PSI
    `fail_above` is a `fail`; for genres, beyond the distance that small changes of such a PSI have.
    """
    return [_finding(drift, fail_above) for drift in drifts]


def _finding(drift: Drift, fail_above: float | None) -> Finding:
    rows = f"{drift.n_today:,} rows, {drift.n_reference:,} in the reference"
    limit = limit_of(drift.measure, SOME)
    expected = f"at most {limit:.3f}"
    too_far = False
    if fail_above is not None:
        fails_above = limit_of(drift.measure, fail_above)
        expected += f", fails above {fails_above:.3f}"
        too_far = drift.value > fails_above
    if drift.level == "unknown":
        return Finding(
            f"drift.{drift.feature}",
            "warn",
            passed=True,
            observed=f"too few rows to say ({rows})",
            expected=expected,
        )
    return Finding(
        f"drift.{drift.feature}",
        "fail" if too_far else "warn",
        passed=drift.value <= limit and not too_far,
        observed=f"{drift.measure} {drift.value:.3f} ({rows})",
        expected=expected,
    )


def _column_drift(then: FeatureProfile, values: Floats) -> Drift:
    today = column_shares(values, then.edges)
    value = psi(then.shares, today)
    level = _level(value, "PSI", min(then.n_rows, len(values)))
    return Drift(
        then.feature, "PSI", value, level, then.bins, then.shares, today, then.n_rows, len(values)
    )


def _genres_drift(then: FeatureProfile, genres: Mapping[str, int]) -> Drift:
    names = tuple(sorted({*then.bins, *genres}))
    before = dict(zip(then.bins, then.shares, strict=True))
    reference = tuple(before.get(name, 0.0) for name in names)
    today, n_today = genre_shares(genres, names), sum(genres.values())
    value = js_distance(reference, today) if then.n_rows and n_today else 0.0
    level = _level(value, "Jensen-Shannon distance", min(then.n_rows, n_today))
    return Drift(
        GENRES,
        "Jensen-Shannon distance",
        value,
        level,
        names,
        reference,
        today,
        then.n_rows,
        n_today,
    )


def measure_of(feature: str) -> Measure:
    """In what a feature's distance is told."""
    return "Jensen-Shannon distance" if feature == GENRES else "PSI"


def limit_of(measure: Measure, psi_limit: float) -> float:
    """What a PSI of so much is in `measure`.

    For small changes the divergence of Jensen and Shannon is PSI / 8 nats; the distance is its
    root, in bits.
    """
    return psi_limit if measure == "PSI" else math.sqrt(psi_limit / (8 * math.log(2)))


def _level(value: float, measure: Measure, n_rows: int) -> Level:
    if n_rows < MIN_ROWS:
        return "unknown"
    if value > limit_of(measure, STRONG):
        return "strong"
    return "some" if value > limit_of(measure, SOME) else "none"
