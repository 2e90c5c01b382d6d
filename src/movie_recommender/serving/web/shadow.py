"""The model room's view of a shadow: how its lists compare with those that were shown."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from prometheus_client import CollectorRegistry

from movie_recommender.serving.web.plots import Estimate

Z_95 = 1.96

Sample = tuple[str, frozenset[tuple[str, str]]]
"""Name and labels."""

_AGREEMENT = "serving_shadow_agreement"
_LIKES = "serving_shadow_likes_total"


@dataclass(frozen=True)
class ShadowView:
    """One version beside another, since the server was started.

    Attributes:
        production: the version whose lists were shown.
        shadow: the version that ranked the same requests.
        lists: ranked by both.
        agreement: mean share of a shown list that the shadow's list has, too.
        milliseconds: mean time of the shadow's ranking.
        likes: movies liked after such a list.
        hit_rates: share of these that production's, and the shadow's list had; None without likes.
        difference: the shadow's hit rate less production's; None without likes.
    """

    production: str
    shadow: str
    lists: int
    agreement: Estimate
    milliseconds: float
    likes: int
    hit_rates: tuple[Estimate, Estimate] | None
    difference: Estimate | None


def shadow_views(counters: CollectorRegistry) -> list[ShadowView]:
    """Every pair of versions that lists were ranked by, the newest shadow first."""
    found = {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in counters.collect()
        for sample in family.samples
        if sample.name.startswith("serving_shadow_")
    }
    pairs = {
        (dict(labels)["production"], dict(labels)["shadow"])
        for (name, labels), count in found.items()
        if name == f"{_AGREEMENT}_count" and count
    }
    ordered = sorted(pairs, key=lambda pair: (-int(pair[1]), -int(pair[0])))
    return [_view(found, production, shadow) for production, shadow in ordered]


def mean_share(buckets: Mapping[float, float], total: float) -> Estimate:
    """Mean of shares from a histogram's counts, with its interval (normal).

    The spread is that of the buckets' upper ends: exact for lists of ten, where these are the only
    shares there are.

    Args:
        buckets: by upper end, how many shares are at most so large; the last one all of them.
        total: sum of the shares.
    """
    ends = sorted(buckets)
    counts = np.diff([0.0, *(buckets[end] for end in ends)])
    shares, n = np.minimum(ends, 1.0), counts.sum()
    variance = counts @ (shares - counts @ shares / n) ** 2 / n
    reach = Z_95 * math.sqrt(variance / n)
    mean = total / n
    return Estimate(mean, max(0.0, mean - reach), min(1.0, mean + reach))


def share(hits: float, n: float) -> Estimate:
    """A share of n with its interval (Wilson 1927), which holds for few, too."""
    rate, z2 = hits / n, Z_95**2
    middle = (rate + z2 / (2 * n)) / (1 + z2 / n)
    reach = Z_95 / (1 + z2 / n) * math.sqrt(rate * (1 - rate) / n + z2 / (4 * n * n))
    return Estimate(rate, middle - reach, middle + reach)


def paired_difference(only_one: float, only_other: float, n: float) -> Estimate:
    """The one's share of n less the other's on the same n, with its interval (paired, normal)."""
    mean = (only_one - only_other) / n
    reach = Z_95 * math.sqrt(max(0.0, (only_one + only_other) / n - mean**2) / n)
    return Estimate(mean, mean - reach, mean + reach)


def _view(found: Mapping[Sample, float], production: str, shadow: str) -> ShadowView:
    def value(name: str, **labels: str) -> float:
        return found.get((name, frozenset(labels.items())), 0.0)

    both_versions = {"production": production, "shadow": shadow}
    buckets = {
        float(dict(labels)["le"]): count
        for (name, labels), count in found.items()
        if name == f"{_AGREEMENT}_bucket" and labels >= both_versions.items()
    }
    both, ours, other, neither = (
        value(_LIKES, list=where, **both_versions)
        for where in ("both", "production", "shadow", "neither")
    )
    likes = both + ours + other + neither
    seconds = value("serving_shadow_seconds_sum", shadow=shadow)
    n_timed = value("serving_shadow_seconds_count", shadow=shadow)
    return ShadowView(
        production=production,
        shadow=shadow,
        lists=int(value(f"{_AGREEMENT}_count", **both_versions)),
        agreement=mean_share(buckets, value(f"{_AGREEMENT}_sum", **both_versions)),
        milliseconds=1000.0 * seconds / max(n_timed, 1.0),
        likes=int(likes),
        hit_rates=(share(both + ours, likes), share(both + other, likes)) if likes else None,
        difference=paired_difference(other, ours, likes) if likes else None,
    )
