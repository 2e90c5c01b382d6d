"""From the feature store and a bundle to scores.

In: the training frame, user and movie features; a bundle's weights. Out: matrices indexed by row
(`Dataset`), and a score for any user and movie (`Scorer`), also for those that training never saw.
Pure NumPy: evaluation and serving rank without importing torch. The rankers that a model has to
beat stand behind `ranking.baselines`, as fitting them takes a library that serving does without.
"""

from movie_recommender.ranking.chance import Random
from movie_recommender.ranking.dataset import Dataset
from movie_recommender.ranking.encoding import Encoding
from movie_recommender.ranking.oracle import Oracle
from movie_recommender.ranking.scorer import NeuMF, Popularity, Scorer

__all__ = [
    "Dataset",
    "Encoding",
    "NeuMF",
    "Oracle",
    "Popularity",
    "Random",
    "Scorer",
]
