"""The bundle as MLflow's own tools load it: `mlflow.pyfunc.load_model("models:/NAME/VERSION")`.

It knows the contacts that the bundle has, of its training; the server knows those since, too.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from movie_recommender.errors import InputDataError
from movie_recommender.serving.model import ServedModel
from movie_recommender.serving.query import Query
from movie_recommender.serving.recommender import rank
from movie_recommender.serving.seen import known_from


class PyfuncModel:
    """What MLflow calls.

    Args:
        model: the bundle's.
    """

    def __init__(self, model: ServedModel) -> None:
        self._model = model

    def predict(self, data: pd.DataFrame, params: Mapping[str, Any] | None = None) -> pd.DataFrame:
        """A list for each row of `data`.

        Args:
            data: with a column `user_id`.
            params: `k`, the length of the lists; 10 by default.

        Returns:
            Columns `user_id`, `movie_ids` and `scores` (lists, best first), `reason`.

        Raises:
            InputDataError: there is no column `user_id`.
        """
        if "user_id" not in data:
            message = f"The input has columns {list(data)}, expected a column 'user_id' of ids."
            raise InputDataError(message)
        query = Query(k=int((params or {}).get("k", 10)))
        return pd.DataFrame([self._row(int(user_id), query) for user_id in data["user_id"]])

    def _row(self, user_id: int, query: Query) -> dict[str, Any]:
        ranking = rank(self._model, user_id, known_from(self._model.contacts, user_id), query)
        return {
            "user_id": user_id,
            "movie_ids": self._model.catalogue.movie_ids[ranking.rows].tolist(),
            "scores": ranking.scores.tolist(),
            "reason": ranking.reason,
        }


def _load_pyfunc(path: str) -> PyfuncModel:
    """Called by MLflow with the bundle's directory."""
    return PyfuncModel(ServedModel(Path(path), version=0))
