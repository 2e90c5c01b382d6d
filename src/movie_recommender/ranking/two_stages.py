"""Whether two stages find what one finds: measured when a bundle is written, on its own users."""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from movie_recommender.ranking.dataset import Dataset
from movie_recommender.ranking.folded import Folded
from movie_recommender.ranking.scorer import NeuMF
from movie_recommender.ranking.shortlist import (
    LEAST_RECALL,
    MIN_MOVIES,
    PER_PLACE,
    SHORTLIST,
    K,
    Shortlist,
    places_of_the_best,
)

logger = logging.getLogger(__name__)

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

SAMPLE = 500
"""Users whose best ten are looked for."""
_TYPICAL = 50
"""Users by whom the point is chosen around which the tower is taken as linear."""


def write_shortlist(
    bundle: Path, dataset: Dataset, weights: Mapping[str, Floats], folded: Folded
) -> dict[str, float]:
    """Write `SHORTLIST` if the catalogue is large and two stages find what one finds.

    Args:
        bundle: that has the weights.
        dataset: what they were learned from.
        weights: the model's.
        folded: its movies.

    Returns:
        For the manifest, nothing of a small catalogue: `search_recall_at_10`, the share of the best
        ten unseen movies by exact scores that the shortlist has, mean of `SAMPLE` users with a
        like; and `search_shortlist`, its movies for a list of ten, 0 where lists stay exact.
    """
    users = np.flatnonzero(np.diff(dataset.positives.indptr))
    if dataset.movies.num_rows < MIN_MOVIES or not len(users):
        return {}
    chosen = np.random.default_rng(0).permutation(users)[:SAMPLE]
    scorer = NeuMF(bundle, dataset)
    shortlist = Shortlist.of(weights, folded, scorer.vectors(chosen[:_TYPICAL]))
    places = np.concatenate(list(_places(scorer, shortlist, dataset, weights, chosen)))
    recall = {n: float(np.mean(places < n * K)) for n in PER_PLACE}
    enough = next((n for n in PER_PLACE if recall[n] >= LEAST_RECALL), 0)
    if enough:
        replace(shortlist, per_place=enough).save(bundle / SHORTLIST)
    logger.info("shortlist per_place=%s recall_at_10=%s", enough or None, recall)
    return {
        "search_recall_at_10": recall[enough or PER_PLACE[-1]],
        "search_shortlist": float(enough * K),
    }


def _places(
    scorer: NeuMF,
    shortlist: Shortlist,
    dataset: Dataset,
    weights: Mapping[str, Floats],
    users: Ints,
) -> Iterator[Ints]:
    """(K,) for each user: where the first stage has the unseen movies with the best scores."""
    for user in users:
        seen = dataset.seen.indices[slice(*dataset.seen.indptr[user : user + 2])]
        row = np.array([user])
        (exact,) = scorer.scores(row)
        rough = shortlist.scores(weights, scorer.vectors(row)[0])
        exact[seen] = rough[seen] = -np.inf
        yield places_of_the_best(exact, rough)
