"""What serving reads beside the weights, written from them into the bundle that is being made."""

import json
import platform
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

from movie_recommender.ranking.contacts import CONTACTS, Contacts
from movie_recommender.ranking.dataset import Dataset
from movie_recommender.ranking.encoding import Encoding
from movie_recommender.ranking.folded import MOVIES, SCORER, Folded
from movie_recommender.ranking.graph import scorer_graph
from movie_recommender.ranking.popular import POPULAR, Popular
from movie_recommender.ranking.scorer import ENCODING, WEIGHTS
from movie_recommender.ranking.two_stages import write_shortlist

MLMODEL = "MLmodel"
"""File by which MLflow knows how to load the bundle as a `pyfunc` model."""

_LOADER = "movie_recommender.serving.pyfunc"


def write_serving_files(bundle: Path, dataset: Dataset) -> dict[str, float]:
    """Graph, movies' vectors, contacts, popularity and `MLmodel`, beside weights and encoding.

    Of a large catalogue the shortlist, too. What it was measured to find is returned, see
    `two_stages.write_shortlist`.

    Users' vectors aren't reckoned ahead: the table of their ids is the weights' own, and of its
    rows a request needs one.

    Args:
        bundle: directory that has `WEIGHTS`, `ENCODING` and `CATALOGUE`.
        dataset: what they were learned from.
    """
    weights = load_file(bundle / WEIGHTS)
    encoding = Encoding(**json.loads((bundle / ENCODING).read_text()))
    n_movies = dataset.movies.num_rows
    liked = np.bincount(dataset.positives.indices, minlength=n_movies) > 0
    folded = Folded.of(weights, encoding, dataset, rows=np.arange(n_movies), known=liked)
    folded.save(bundle / MOVIES)
    (bundle / SCORER).write_bytes(scorer_graph(weights, folded))
    Contacts.of(dataset).save(bundle / CONTACTS)
    Popular.of(dataset, encoding).save(bundle / POPULAR)
    (bundle / MLMODEL).write_text(_mlmodel())
    return write_shortlist(bundle, dataset, weights, folded)


def _mlmodel() -> str:
    """The same for the same Python: two bundles of one training have the same files."""
    inputs = [{"name": "user_id", "type": "long", "required": True}]
    params = [{"name": "k", "default": 10, "shape": None, "type": "long"}]
    content = {
        "flavors": {
            "python_function": {
                "loader_module": _LOADER,
                "python_version": platform.python_version(),
            }
        },
        "signature": {
            "inputs": json.dumps(inputs),
            "outputs": None,
            "params": json.dumps(params),
        },
    }
    return json.dumps(content, indent=2) + "\n"  # JSON is YAML, too
