"""Is the model good enough, and better than what there is?

In: a model version and the feature store's newest window. Out: AUC, NDCG@10 and HR@10 of the
candidate, of popularity, item-kNN and the production model on the same pairs, and the gate's
verdict with each reason. Reads only, but for the report that it leaves in MLflow; a second run
gives the same numbers. `compare` puts chance and a simulated world's oracle beside them.
"""

from movie_recommender.evaluation.compare import Comparison, compare
from movie_recommender.evaluation.gate import GateResult, decide
from movie_recommender.evaluation.run import EvaluationResult, run

__all__ = ["Comparison", "EvaluationResult", "GateResult", "compare", "decide", "run"]
