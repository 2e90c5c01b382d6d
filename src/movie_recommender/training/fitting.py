"""From a data set to a trained model, and from that to the files that serving reads."""

import json
from collections.abc import Callable
from dataclasses import asdict, astuple, dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from safetensors.torch import save_file

from movie_recommender.ranking import Dataset, Encoding
from movie_recommender.ranking.scorer import CATALOGUE, ENCODING, LIKED_BY, WEIGHTS
from movie_recommender.ranking.serving_files import write_serving_files
from movie_recommender.training.config import TrainingConfig
from movie_recommender.training.ncf import NeuMF
from movie_recommender.training.start import Earlier, grown_model, initial_model
from movie_recommender.training.trainer import Epoch, train


@dataclass(frozen=True)
class Fitted:
    """A trained model, and everything beside its weights that a score needs."""

    model: NeuMF
    encoding: Encoding
    dataset: Dataset
    config: TrainingConfig


def begin(dataset: Dataset, config: TrainingConfig, *, earlier: Earlier | None = None) -> Fitted:
    """A model that is ready for `trainer.train`: new, or `earlier` grown.

    From an earlier one `config.warm()` is trained. A `dim` that is left to the data is set.
    """
    config = config.within(dataset.positives)
    if earlier is None:
        encoding = Encoding.fit(dataset.users, dataset.movies)
        return Fitted(initial_model(dataset, encoding, config), encoding, dataset, config)
    encoding = Encoding.fit(dataset.users, dataset.movies, earlier=earlier.encoding)
    model = grown_model(dataset, encoding, config, earlier)
    return Fitted(model, encoding, dataset, config.warm())


def fit(
    dataset: Dataset,
    config: TrainingConfig,
    *,
    on_epoch: Callable[[Epoch], None] = lambda _: None,
    save: Path | None = None,
) -> Fitted:
    """Train a new model on all of `dataset`; arguments and errors as of `trainer.train`."""
    fitted = begin(dataset, config)
    train(fitted.model, dataset, fitted.config, on_epoch=on_epoch, save=save)
    return fitted


def write_bundle(bundle: Path, fitted: Fitted) -> dict[str, float]:
    """The model, and all else that serving reads, into a new folder for `write_manifest`.

    Returns what was measured meanwhile, for the manifest's metrics.
    """
    write_model(bundle, fitted)
    return write_serving_files(bundle, fitted.dataset)


def write_model(bundle: Path, fitted: Fitted) -> None:
    """Weights, encoding and catalogue into a new folder: what `ranking.NeuMF` reads."""
    bundle.mkdir(parents=True)
    tensors = weights(fitted.model) | {
        "user_ids": torch.from_numpy(fitted.dataset.user_ids.copy()),
        "history_recency": torch.tensor(astuple(fitted.config.recency)),
    }
    save_file(tensors, bundle / WEIGHTS)
    (bundle / ENCODING).write_text(json.dumps(asdict(fitted.encoding)))
    liked_by = pa.array(fitted.dataset.positives.sum(axis=0).astype(np.int64))
    catalogue = fitted.dataset.movies.append_column(LIKED_BY, liked_by)
    pq.write_table(catalogue, bundle / CATALOGUE)


def weights(model: NeuMF) -> dict[str, torch.Tensor]:
    """All parameters by the names that `ranking.scorer.NeuMF` reads."""
    names = {
        "user_side": "user_features",
        "movie_side": "movie_features",
        "movie_side_bias": "movie_feature_bias",
    }
    return {names.get(k, k): v.detach().cpu().contiguous() for k, v in model.named_parameters()}
