"""Training of the NCF model: on TRAINING_DAY, when forced, or when there is no model at all.

In: the feature store's training frame. Out: one MLflow run and one model version, registered as
the last act; a kill before that leaves production and candidates as they were. The same snapshot
is not trained on twice. `tune` looks for better constants of it, by hand.
"""

from movie_recommender.training.run import TrainResult, run
from movie_recommender.training.tune import tune
from movie_recommender.training.tune_result import Tried, TuneResult

__all__ = ["TrainResult", "Tried", "TuneResult", "run", "tune"]
