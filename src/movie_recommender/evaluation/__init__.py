"""Is the model good enough, and better than what there is?

In: a model version and the feature store's newest window. Out: metrics of the candidate, of the
baselines and of the production model on the same pairs, with intervals and for slices of users and
movies, and the gate's verdict with each reason. Reads only, but for the report that it leaves in
MLflow; a second run gives the same numbers. `compare` puts chance and a simulated world's oracle
beside them.
"""

from movie_recommender.evaluation.compare import Comparison, compare
from movie_recommender.evaluation.gate import GateResult, decide
from movie_recommender.evaluation.result import EvaluationResult
from movie_recommender.evaluation.run import run

__all__ = ["Comparison", "EvaluationResult", "GateResult", "compare", "decide", "run"]
