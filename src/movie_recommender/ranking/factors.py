"""Matrix factorisations of the `implicit` library, fitted quietly."""

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.sparse import csr_array, csr_matrix
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from movie_recommender.ranking.scorer import Floats


def fitted(make: Callable[..., Any], positives: csr_array, **options: Any) -> tuple[Floats, Floats]:
    """(U, d) and (I, d) float32 vectors of users and movies.

    Args:
        make: a model's class in `implicit.cpu`.
        positives: (U, I) float32; without any, all vectors are 0.
        options: of `make`.
    """
    if positives.nnz == 0:
        n_users, n_movies = positives.shape
        d = int(options["factors"])
        return np.zeros((n_users, d), np.float32), np.zeros((n_movies, d), np.float32)
    # The library has threads of its own; BLAS's beside them slow it down, and it warns of them.
    with threadpool_limits(1, "blas"):
        model = make(**options)
        model.fit(csr_matrix(positives), show_progress=False)
    return model.user_factors, model.item_factors
