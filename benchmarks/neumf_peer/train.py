"""Cornac's NeuMF, run by a Python that has it, as `python train.py ORDER.json`.

The order names `data`, an .npz file with train (P, 2), test (T, 2) and negatives (T, 99), user and
movie rows; `scores`, a folder; n_users, n_movies, dim, epochs, seed, threads. After each epoch a
JSON line says its number and the seconds of training so far, and SCORES/NUMBER.npy holds (T, 100)
scores, the positive's first. Scoring doesn't count as training.
"""

import json
import sys
from pathlib import Path
from time import perf_counter
from typing import Any

import cornac
import numpy as np
import torch

SCORED_AT_ONCE = 65_536


class Timed(cornac.models.NeuMF):
    """NeuMF with a clock that stands still while it is scored."""

    def prepare(self, users: np.ndarray, movies: np.ndarray, scores: Path) -> None:
        """Name the pairs (T, 100) to score after each epoch, and where to put their scores."""
        self.pairs = torch.from_numpy(users), torch.from_numpy(movies)
        self.scores, self.epoch, self.seconds = scores, 0, 0.0
        self.resumed = perf_counter()

    def early_stop(self, *_: Any, **__: Any) -> bool:
        """What Cornac asks after each epoch: never stop."""
        self.seconds += perf_counter() - self.resumed
        self.epoch += 1
        np.save(self.scores / f"{self.epoch}.npy", self.score_pairs())
        sys.stdout.write(json.dumps({"epoch": self.epoch, "seconds": self.seconds}) + "\n")
        sys.stdout.flush()
        self.resumed = perf_counter()
        return False

    def score_pairs(self) -> np.ndarray:
        """(T, 100) scores by the network as it is."""
        users, movies = (rows.reshape(-1).split(SCORED_AT_ONCE) for rows in self.pairs)
        with torch.no_grad():
            parts = [self.model(u, m) for u, m in zip(users, movies, strict=True)]
        return torch.cat(parts).reshape(self.pairs[0].shape).numpy()


def main() -> None:
    """Train as Cornac's documentation has it: Adam at 0.001, 256 positives a batch, 4 negatives."""
    order = json.loads(Path(sys.argv[1]).read_text())
    torch.set_num_threads(order["threads"])
    data = np.load(order["data"])
    train, test = data["train"], data["test"]
    movies = np.concatenate([test[:, 1:], data["negatives"]], axis=1)  # (T, 100)
    users = np.repeat(test[:, :1], movies.shape[1], axis=1)  # (T, 100)
    dim = order["dim"]
    model = Timed(
        num_factors=dim,
        # Both towers get vectors of this length, and the last layer must be as wide: with no layer
        # between them this is the smallest such network.
        layers=(2 * dim, dim),
        num_epochs=order["epochs"],
        batch_size=256,
        num_neg=4,
        lr=0.001,
        backend="pytorch",
        early_stopping={},
        verbose=False,
        seed=order["seed"],
    )
    known = cornac.data.Dataset(
        order["n_users"],
        order["n_movies"],
        {row: row for row in range(order["n_users"])},
        {row: row for row in range(order["n_movies"])},
        (train[:, 0], train[:, 1], np.ones(len(train))),
        seed=order["seed"],
    )
    model.prepare(users, movies, Path(order["scores"]))
    model.fit(known)


if __name__ == "__main__":
    main()
