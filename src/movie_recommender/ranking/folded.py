"""The movies' side of a trained model, reckoned once: what every request would reckon alike."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from safetensors.numpy import save_file

from movie_recommender.ranking.dataset import Dataset
from movie_recommender.ranking.encoding import Encoding

Floats = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]

MOVIES = "movies.safetensors"
"""File of the bundle with the movies' `vectors` and `bias`."""
SCORER = "scorer.onnx"
"""File of the bundle with the graph from a user's vector to all scores."""


@dataclass(frozen=True)
class Folded:
    """Movies as the towers take them, in the order of the catalogue.

    Attributes:
        vectors: (I, d) float32, id plus side features.
        bias: (I,) float32, the model's, the movie's and that of its features.
    """

    vectors: Floats
    bias: Floats

    @classmethod
    def of(
        cls,
        weights: Mapping[str, Floats],
        encoding: Encoding,
        dataset: Dataset,
        *,
        rows: Rows,
        known: npt.NDArray[np.bool_],
    ) -> "Folded":
        """The movies of a data set, their features reckoned at its `until`.

        Args:
            weights: learned ones.
            encoding: of the side features.
            dataset: whose movies.
            rows: (I,) of each movie in the weights' tables.
            known: (I,) whether somebody had liked it. Of any other, training learned only that
                nobody had; it is as if new, without an id vector and a bias of its own.
        """
        features = encoding.encode_movies(dataset.movies, now=dataset.until)  # (I, Fi)
        vectors = (
            weights["movie_embedding"][rows] * known[:, None] + features @ weights["movie_features"]
        )
        bias = weights["movie_bias"][rows] * known + features @ weights["movie_feature_bias"]
        return cls(vectors.astype(np.float32), (bias + weights["bias"]).astype(np.float32))

    def half(self, weights: Mapping[str, Floats]) -> Floats:
        """(I, h1) what the movies bring to the tower's first layer, their bias with it."""
        popularity = self.bias[:, None] * weights["mlp_popularity"]
        half: Floats = self.vectors @ weights["mlp_movie"] + popularity
        return half

    def scores(self, weights: Mapping[str, Floats], users: Floats) -> Floats:
        """(B, I) float32 log odds of a positive, for users' vectors (B, d) float32."""
        products = np.asarray((users * weights["gmf_out"]) @ self.vectors.T, np.float32)  # (B, I)
        deep = tower(weights, users, self.half(weights), products)
        return np.asarray(products + deep + self.bias, np.float32)

    def save(self, path: Path) -> None:
        """Write the safetensors file `path`."""
        save_file({"vectors": self.vectors, "bias": self.bias}, path)


def tower(weights: Mapping[str, Floats], users: Floats, half: Floats, products: Floats) -> Floats:
    """(B, I): the MLP tower, its first layer split into a user and a movie half (equation 10).

    Args:
        weights: learned ones.
        users: (B, d) users' vectors.
        half: (I, h1) see `Folded.half`.
        products: (B, I) the GMF tower's.
    """
    w = weights
    user_half = users @ w["mlp_user"] + w["mlp_bias"]  # (B, h1)
    first = user_half.T[:, :, None] + half.T[:, None, :]  # (h1, B, I)
    first += products * w["mlp_gmf"][:, None, None]
    np.maximum(first, 0.0, out=first)
    second = w["mlp_hidden"].T @ first.reshape(len(first), products.size)  # (h2, B * I)
    second += w["mlp_hidden_bias"][:, None]
    np.maximum(second, 0.0, out=second)
    return np.asarray((w["mlp_out"] @ second).reshape(products.shape), np.float32)
