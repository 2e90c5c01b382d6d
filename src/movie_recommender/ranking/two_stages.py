"""Whether two stages find what one finds: measured when a bundle is written, on its own users."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from movie_recommender.ranking.dataset import Dataset
from movie_recommender.ranking.folded import Folded
from movie_recommender.ranking.scorer import NeuMF
from movie_recommender.ranking.shortlist import (
    DIMENSIONS,
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
        like; `search_shortlist`, its movies for a list of ten, 0 where lists stay exact; and
        `search_dimensions` of the first stage's table.
    """
    users = np.flatnonzero(np.diff(dataset.positives.indptr))
    if dataset.movies.num_rows < MIN_MOVIES or not len(users):
        return {}
    chosen = np.random.default_rng(0).permutation(users)[:SAMPLE]
    scorer = NeuMF(bundle, dataset)
    whole = Shortlist.of(weights, folded, scorer.vectors(chosen[:_TYPICAL]))
    narrow = [n for n in DIMENSIONS if n < len(whole.table)]
    stages = [whole.narrowed(weights, scorer.vectors(chosen), n) for n in narrow] + [whole]
    places = np.concatenate(list(_places(scorer, stages, dataset, weights, chosen)), axis=1)
    tried = [
        (replace(stage, per_place=n), float(np.mean(of_stage < n * K)))
        for stage, of_stage in zip(stages, places, strict=True)
        for n in PER_PLACE
    ]
    stage, recall = next((each for each in tried if each[1] >= LEAST_RECALL), tried[-1])
    is_enough, n_dimensions = recall >= LEAST_RECALL, len(stage.table)
    if is_enough:
        stage.save(bundle / SHORTLIST)
    logger.info("shortlist=%s recall=%s dimensions=%s", is_enough, recall, n_dimensions)
    return {
        "search_recall_at_10": recall,
        "search_shortlist": float(stage.per_place * K * is_enough),
        "search_dimensions": float(n_dimensions),
    }


def _places(
    scorer: NeuMF,
    stages: Sequence[Shortlist],
    dataset: Dataset,
    weights: Mapping[str, Floats],
    users: Ints,
) -> Iterator[Ints]:
    """(S, K) for each user: where each first stage has the unseen movies with the best scores."""
    for user in users:
        seen = dataset.seen.indices[slice(*dataset.seen.indptr[user : user + 2])]
        row = np.array([user])
        (exact,) = scorer.scores(row)
        exact[seen] = -np.inf
        rough = [stage.scores(weights, scorer.vectors(row)[0]) for stage in stages]
        for scores in rough:
            scores[seen] = -np.inf
        yield np.stack([places_of_the_best(exact, scores) for scores in rough])
