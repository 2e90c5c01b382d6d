"""What a step learns from: a block of users, part of each one's history as input, the rest target.

Memory follows the positives and the block; no negative is ever stored.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from movie_recommender.ranking import Dataset
from movie_recommender.ranking.history import ALL_ALIKE, Recency, oldest_first, recency_weights
from movie_recommender.training.config import TrainingConfig

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Bags:
    """Movies of each of B users, whose vectors are summed.

    Attributes:
        place: (n,) columns, user after user.
        count: (B,) movies of each user.
        weight: (n,) float32, see `recency_weights`.
    """

    place: Ints
    count: Ints
    weight: Floats

    @property
    def start(self) -> Ints:
        """(B,) where each user's movies begin."""
        return np.cumsum(self.count) - self.count

    @property
    def user(self) -> Ints:
        """(n,) places in the block's users."""
        return np.repeat(np.arange(len(self.count)), self.count)


@dataclass(frozen=True)
class Block:
    """B users against C movies.

    Attributes:
        users: (B,) user rows.
        known: (B, 1) float32; 0 where the user counts as new, without an id vector.
        columns: (C,) ascending movie rows that are scored; None: all of them.
        scale: weight of a column's unobserved cells: 1 where all movies are scored, else the
            movies a drawn column stands for, and 0 for a column that is there as somebody's only.
            (C,) float32, or 1.
        column_known: (C,) float32; 0 where the movie counts as new, without id vector and bias.
        inputs: the part of the positives that is given.
        unliked: what the users met without a positive.
        target_user: (m,) places in `users`.
        target_place: (m,) columns.
        target_weight: (m,) float32.
    """

    users: Ints
    known: Floats
    columns: Ints | None
    scale: Floats | float
    column_known: Floats
    inputs: Bags
    unliked: Bags
    target_user: Ints
    target_place: Ints
    target_weight: Floats


class Histories:
    """Each user's positives, oldest first, and what he met beside them, dealt into blocks.

    Args:
        dataset: who met what, and, where they are known, the positives' times.
        config: sizes, shares and half-lives.
    """

    def __init__(self, dataset: Dataset, config: TrainingConfig) -> None:
        positives, times = dataset.positives, dataset.times
        order = oldest_first(positives, times)
        self._start = positives.indptr.astype(np.int64)
        self._movies: npt.NDArray[np.int32] = positives.indices[order]
        self._weight = target_weights(dataset, config)[order]
        self._recency = ALL_ALIKE if times is None else config.recency
        unliked = dataset.unliked
        self._unliked_start = unliked.indptr.astype(np.int64)
        self._unliked: npt.NDArray[np.int32] = unliked.indices
        self._n_movies = positives.shape[1]
        self._config = config
        self.active: Ints = np.flatnonzero(np.diff(self._start))

    @property
    def block_size(self) -> int:
        """Users in a block; of few users smaller ones, so that an epoch has steps enough."""
        config = self._config
        wanted = -(-len(self.active) // config.min_steps)
        return min(config.block, max(config.min_block, wanted))

    @property
    def steps_per_epoch(self) -> int:
        """Blocks in an epoch."""
        return -(-len(self.active) // self.block_size)

    def blocks(self, rng: np.random.Generator) -> Iterator[Block]:
        """All users with a positive, once each, in a random order.

        Args:
            rng: source of the order, of what is input, and of the columns.
        """
        order = rng.permutation(self.active)
        for start in range(0, len(order), self.block_size):
            yield self._block(order[start : start + self.block_size], rng)

    def _block(self, users: Ints, rng: np.random.Generator) -> Block:
        config = self._config
        owner, place = _rows(self._start, users)  # (p,)
        movies = self._movies[place].astype(np.int64)
        share = np.where(rng.random(len(users)) < config.new_share, 0.0, config.input_share)
        is_input = rng.random(len(owner)) < share[owner]  # (p,)
        known = (rng.random(len(users)) >= config.id_dropout) & (share > 0.0)
        of_unliked, unliked_place = _rows(self._unliked_start, users)
        given = share[of_unliked] > 0.0
        of_unliked = of_unliked[given]
        unliked = self._unliked[unliked_place[given]].astype(np.int64)
        columns, scale = self._columns(np.concatenate([movies, unliked]), rng)
        n_scored = self._n_movies if columns is None else len(columns)
        if columns is not None:
            movies, unliked = np.searchsorted(columns, movies), np.searchsorted(columns, unliked)
        return Block(
            users=users,
            known=known[:, None].astype(np.float32),
            columns=columns,
            scale=scale,
            column_known=_mostly_one(rng, n_scored, config.new_movie_share),
            inputs=_bags(movies[is_input], owner[is_input], len(users), self._recency),
            unliked=_bags(unliked, of_unliked, len(users), ALL_ALIKE),
            target_user=owner[~is_input],
            target_place=movies[~is_input],
            target_weight=self._weight[place[~is_input]],
        )

    def _columns(self, met: Ints, rng: np.random.Generator) -> tuple[Ints | None, Floats | float]:
        """All movies, or those the block met and a shared sample that stands for the rest."""
        drawn = self._config.columns
        if self._n_movies <= drawn:
            return None, 1.0
        sample = rng.choice(self._n_movies, drawn, replace=False, shuffle=False)
        columns = np.union1d(sample, met)
        scale = np.zeros(len(columns), np.float32)
        scale[np.searchsorted(columns, sample)] = self._n_movies / drawn
        return columns, scale


def _rows(start: Ints, users: Ints) -> tuple[Ints, Ints]:
    """(p,) each entry's place in `users`, and its place in the matrix whose rows begin at `start`.

    Args:
        start: (U + 1,) a sparse matrix's row pointers.
        users: (B,) rows.
    """
    counts = start[users + 1] - start[users]
    owner = np.repeat(np.arange(len(users)), counts)
    within = np.arange(len(owner)) - (np.cumsum(counts) - counts)[owner]
    return owner, start[users][owner] + within


def _bags(place: Ints, owner: Ints, n_users: int, recency: Recency) -> Bags:
    count = np.bincount(owner, minlength=n_users)
    return Bags(place, count, recency_weights(count, recency))


def _mostly_one(rng: np.random.Generator, size: int, zeros: float) -> Floats:
    return (rng.random(size, np.float32) >= zeros).astype(np.float32)


def target_weights(dataset: Dataset, config: TrainingConfig) -> Floats:
    """(P,) by 0.5^(age / half-life) of each positive: what is liked now says most about tomorrow.

    Their mean is 1; all are 1 where times are unknown. In the order of `positives.indices`.
    """
    if dataset.times is None or dataset.positives.nnz == 0:
        return np.ones(dataset.positives.nnz, np.float32)
    ages = dataset.ages_days()
    # From the newest on: only ratios matter, and far from `until` all would round to nothing.
    weights = np.exp2(-(ages - ages.min()) / config.target_half_life_days)
    return np.asarray(weights / weights.mean(), np.float32)
