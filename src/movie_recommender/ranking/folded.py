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
    def of(cls, weights: Mapping[str, Floats], encoding: Encoding, dataset: Dataset) -> "Folded":
        """The movies of the data set that the weights were learned from.

        Features are reckoned at its `until`. A movie that nobody had liked is as if new: it has no
        id vector and no bias of its own, as in `ranking.scorer.NeuMF`.
        """
        known = (dataset.positives.sum(axis=0) > 0).astype(np.float32)  # (I,)
        features = encoding.encode_movies(dataset.movies, now=dataset.until)  # (I, Fi)
        vectors = weights["movie_embedding"] * known[:, None] + features @ weights["movie_features"]
        bias = weights["movie_bias"] * known + features @ weights["movie_feature_bias"]
        return cls(vectors.astype(np.float32), (bias + weights["bias"]).astype(np.float32))

    def save(self, path: Path) -> None:
        """Write the safetensors file `path`."""
        save_file({"vectors": self.vectors, "bias": self.bias}, path)
