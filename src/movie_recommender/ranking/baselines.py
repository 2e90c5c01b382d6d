"""The simpler rankers that a trained model has to beat, all fitted on the same past."""

import logging

from movie_recommender.ranking.als import ALS
from movie_recommender.ranking.bpr import BPR
from movie_recommender.ranking.dataset import Dataset
from movie_recommender.ranking.ease import EASE, MAX_MOVIES, liked_movies
from movie_recommender.ranking.item_knn import ItemKNN
from movie_recommender.ranking.or_popular import OrPopular
from movie_recommender.ranking.recent_popularity import RecentPopularity
from movie_recommender.ranking.scorer import Popularity, Scorer

logger = logging.getLogger(__name__)


def fit_baselines(dataset: Dataset, *, seed: int) -> dict[str, Scorer]:
    """Every baseline that can be fitted on `dataset`, by name, the simplest first.

    `popularity`, `recent_popularity` (left out where the data set has no times), `item_knn`,
    `ease` (left out, with a line in the log, where more than `MAX_MOVIES` are liked), `als`, `bpr`.
    Those that know users by their histories alone rank by popularity for users without one.

    Args:
        dataset: whom and what to score, and all that is learned from.
        seed: of als and bpr; the same seed and data give the same scores. At least 0.
    """
    general: dict[str, Scorer] = {"popularity": Popularity(dataset)}
    if dataset.times is not None:
        general["recent_popularity"] = RecentPopularity(dataset)
    personal: dict[str, Scorer] = {"item_knn": ItemKNN(dataset)}
    n_liked = len(liked_movies(dataset))
    if n_liked <= MAX_MOVIES:
        personal["ease"] = EASE(dataset)
    else:
        logger.info("baseline=ease left_out=True liked_movies=%s limit=%s", n_liked, MAX_MOVIES)
    personal["als"] = ALS(dataset, seed=seed)
    personal["bpr"] = BPR(dataset, seed=seed)
    return general | {name: OrPopular(scorer, dataset) for name, scorer in personal.items()}
