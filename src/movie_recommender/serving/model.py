"""One version of the model, ready to answer: loaded beside another one, and never changed."""

import json
import math
from collections.abc import Callable, Mapping
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from movie_recommender.bundle import Manifest, open_tensors, read_manifest
from movie_recommender.errors import RegistryError
from movie_recommender.ranking.contacts import CONTACTS, Contacts, Person
from movie_recommender.ranking.encoding import AGE_EDGES, Encoding
from movie_recommender.ranking.folded import MOVIES, SCORER, Folded
from movie_recommender.ranking.history import Recency, recency_weights
from movie_recommender.ranking.popular import POPULAR, Popular
from movie_recommender.ranking.scorer import CATALOGUE, ENCODING, WEIGHTS
from movie_recommender.ranking.shortlist import SHORTLIST, Shortlist
from movie_recommender.serving.catalogue import Catalogue
from movie_recommender.serving.search import TitleSearch

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
Part = TypeVar("Part")

FILES = (WEIGHTS, ENCODING, CATALOGUE, MOVIES, SCORER, CONTACTS, POPULAR)
"""What a bundle must have, and its manifest must name."""

_TINY = 1e-12
"""Keeps the cosine with a movie without a vector at 0."""


class ServedModel:
    """A checked bundle in memory; safe for several threads.

    Large tables are mapped, not read: they are shared by all processes that serve them.

    Args:
        bundle: the directory.
        version: of the registered model.

    Raises:
        RegistryError: the bundle is damaged, of another format, or its scores aren't numbers.
    """

    def __init__(self, bundle: Path, *, version: int) -> None:
        self.version = version
        self.manifest = _checked(bundle)
        self.catalogue = _read(bundle / CATALOGUE, Catalogue.read)
        self._ids_and_end = np.append(self.catalogue.movie_ids, -1)  # an id beyond the last
        self.contacts = Contacts.open(bundle / CONTACTS)
        self.popular = Popular.open(bundle / POPULAR)
        movies = open_tensors(bundle / MOVIES).tensors
        self.movies: Floats = movies["vectors"]  # (I, d)
        self.bias: Floats = movies["bias"]  # (I,)
        self.weights: Mapping[str, npt.NDArray[Any]] = open_tensors(bundle / WEIGHTS).tensors
        encoding = _read(bundle / ENCODING, _encoding)
        self._column = {name: place for place, name in enumerate(encoding.user_features)}
        self._recency = Recency(*self.weights["history_recency"].tolist())
        self._user_ids: Ints = self.weights["user_ids"]  # (U,)
        self._lengths: Floats = np.linalg.norm(self.movies, axis=1)  # (I,)
        self._session = _session(bundle / SCORER)
        has_shortlist = SHORTLIST in self.manifest.files
        self.shortlist = Shortlist.open(bundle / SHORTLIST) if has_shortlist else None
        self.recency = lru_cache(maxsize=1024)(self._weigh)
        self._side_of = lru_cache(maxsize=4096)(self._side)
        self.allowed = lru_cache(maxsize=64)(self.catalogue.allowed)
        self._check()

    @cached_property
    def search(self) -> TitleSearch:
        """Movies by words of their titles; made when it is first asked for."""
        return TitleSearch(self.catalogue.titles, self.popular.likes.tolist())

    @cached_property
    def a_known_user(self) -> int | None:
        """A user who liked something before the training; None where there is none."""
        place = int(np.argmax(self.contacts.liked)) if len(self.contacts.liked) else 0
        if not self.contacts.liked[place : place + 1].any():
            return None
        row = int(np.searchsorted(self.contacts.start, place, side="right")) - 1
        return int(self.contacts.user_ids[row])

    def scores(self, users: Floats) -> Floats:
        """(B, I) float32 log odds of a positive, for users' vectors (B, d) float32."""
        (scores,) = self._session.run(None, {"user": users})
        found: Floats = scores
        return found

    def scores_of(self, user: Floats, rows: Ints) -> Floats:
        """(n,) float32 log odds of a positive, for a user's vector (d,) and n movies."""
        part = Folded(self.movies[rows], self.bias[rows])
        (scores,) = part.scores(self.weights, user[None])
        found: Floats = scores
        return found

    def user_row(self, user_id: int) -> int | None:
        """Row of a user whom the training knew, or None."""
        place = int(np.searchsorted(self._user_ids, user_id))
        known = place < len(self._user_ids) and self._user_ids[place] == user_id
        return place if known else None

    def learned_from(self, user_id: int) -> bool:
        """Whether the training saw a like of this user's."""
        row = self.contacts.row(user_id)
        return row is not None and self.contacts.likes_any(row)

    def user_vector(self, user_id: int, person: Person, history: Ints, unliked: Ints) -> Floats:
        """(d,) id, side features and what was met, as `ranking.scorer.NeuMF` adds them up.

        Args:
            user_id: any; one that the training didn't know has no id vector.
            person: his side features.
            history: (n,) rows of the movies that he liked, oldest first.
            unliked: (m,) rows of the others that he met.
        """
        row = self.user_row(user_id)
        vector: Floats = self._side_of(person).copy()
        if row is not None:
            vector += self.weights["user_embedding"][row]
        if len(history):
            vector += np.float32(math.log1p(len(history))) * self.weights["user_activity"]
            vector += self.recency(len(history)) @ self.movies[history]
        if len(unliked):
            vector += np.float32(math.log1p(len(unliked))) * self.weights["unliked_activity"]
            met = self.movies[unliked].sum(axis=0) * np.float32(len(unliked) ** -0.5)
            vector += met * self.weights["unliked_scale"]
        return vector

    def similar(self, row: int) -> Floats:
        """(I,) cosine of each movie's vector with that of the movie at `row`; 0 with none."""
        products = self.movies @ self.movies[row]
        lengths = np.maximum(self._lengths * self._lengths[row], _TINY)
        return np.asarray(products / lengths, np.float32)

    def rows(self, movie_ids: Ints) -> Ints:
        """Rows of those of the movies that the catalogue has, in their order."""
        rows: Ints = self.catalogue.movie_ids.searchsorted(movie_ids)
        known: Ints = rows[self._ids_and_end[rows] == movie_ids]
        return known

    def _weigh(self, n: int) -> Floats:
        """(n,) weights of a history of n movies, oldest first."""
        return recency_weights(np.array([n]), self._recency)

    def _side(self, person: Person) -> Floats:
        table = self.weights["user_features"]  # (Fu, d)
        side = np.zeros(table.shape[1], np.float32)
        names = []
        if person.age is not None:
            names.append(f"age group {np.searchsorted(AGE_EDGES, person.age, side='right')}")
        names += [f"country {person.country}", f"device {person.device}"]
        for name in names:
            if name in self._column:
                side += table[self._column[name]]
        return side

    def _check(self) -> None:
        nothing = np.empty(0, np.int64)
        nobody = self.user_vector(-1, Person(), nothing, nothing)[None]
        scores = self.scores(nobody)
        expected = (1, len(self.catalogue))
        if scores.shape != expected or not np.isfinite(scores).all():
            message = (
                f"Version {self.version} of model {self.manifest.model_name!r} gives scores of "
                f"shape {scores.shape} (expected {expected}, all of them finite numbers). It isn't "
                "served; go back with: movie-recommender rollback"
            )
            raise RegistryError(message)


def _checked(bundle: Path) -> Manifest:
    manifest = read_manifest(bundle)
    missing = [name for name in FILES if name not in manifest.files]
    if missing:
        message = (
            f"Bundle {bundle}: the manifest doesn't name {', '.join(missing)}, which serving "
            "needs. Train a model with this version: movie-recommender train"
        )
        raise RegistryError(message)
    return manifest


def _read(path: Path, reader: Callable[[Path], Part]) -> Part:
    """A part by its own reader, whose errors say that the file never was one of ours."""
    try:
        return reader(path)
    except (ValueError, TypeError, KeyError, OSError) as error:  # Arrow's are ValueErrors
        message = (
            f"{path} can't be read ({error!r:.200}), expected one that this package wrote. "
            "Go back with: movie-recommender rollback"
        )
        raise RegistryError(message) from error


def _encoding(path: Path) -> Encoding:
    return Encoding(**json.loads(path.read_text()))


def _session(path: Path) -> ort.InferenceSession:
    """One thread for each process: a worker's share of the machine is a core."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = 3
    try:
        return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its exceptions share no class but this one
        message = (
            f"{path} isn't a graph that ONNX Runtime {ort.__version__} can run ({error}). "
            "Go back with: movie-recommender rollback"
        )
        raise RegistryError(message) from error
