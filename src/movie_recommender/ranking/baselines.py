"""The simpler rankers that a trained model has to beat, all fitted on the same past."""

from movie_recommender.ranking.dataset import Dataset
from movie_recommender.ranking.item_knn import ItemKNN
from movie_recommender.ranking.scorer import Popularity, Scorer


def fit_baselines(dataset: Dataset, *, seed: int) -> dict[str, Scorer]:
    """Every baseline that can be fitted on `dataset`, by name, the simplest first.

    Args:
        dataset: whom and what to score, and all that may be learned from.
        seed: of those that start from random numbers; the same seed and data give the same scores.
    """
    del seed  # neither of them draws
    return {"popularity": Popularity(dataset), "item_knn": ItemKNN(dataset)}
