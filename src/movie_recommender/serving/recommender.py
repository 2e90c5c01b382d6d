"""Ranking, and nothing else: a model, what is known about a user, a query; a list with a reason."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from movie_recommender.ranking.popular import Popular, age_group, country_group
from movie_recommender.serving.model import ServedModel
from movie_recommender.serving.query import Query
from movie_recommender.serving.seen import Known

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]

PERSONAL = "personal"
NEW_USER = "new user with likes"
POPULAR = "popular"


@dataclass(frozen=True)
class Ranking:
    """A list.

    Attributes:
        reason: why it is this one.
        rows: (n,) rows of the catalogue, best first.
        scores: (n,) float32 log odds of a like; of a popular list, likes.
    """

    reason: str
    rows: Ints
    scores: Floats


def rank(model: ServedModel, user_id: int, known: Known, query: Query) -> Ranking:
    """The best `query.k` movies of the whole catalogue: exact, filters applied before the cut.

    A user without a like gets what is popular in his country, else at his age, else with everybody.
    Of equal scores the lower row goes first.
    """
    liked, unliked = model.rows(known.liked), model.rows(known.unliked)
    reason, scores = _scores(model, user_id, known, liked, unliked)
    if query.exclude_seen:
        scores[liked] = scores[unliked] = -np.inf
    allowed = model.allowed(*query.filters)
    if allowed is not None:
        scores[~allowed] = -np.inf
    n_left = int(np.count_nonzero(scores != -np.inf))
    rows = top(scores, min(query.k, n_left))
    if len(rows) < query.k:
        reason = f"{reason}; k={query.k} cut to the {len(rows)} movies that are left"
    return Ranking(reason, rows, scores[rows])


def top(scores: Floats, n: int) -> Ints:
    """(n,) places of the highest scores, best first; of equal ones the lower place first.

    Args:
        scores: (I,), of which at least `n` are above -inf.
        n: how many.
    """
    if n == 0:
        return np.empty(0, np.int64)
    lowest = np.partition(scores, len(scores) - n)[len(scores) - n]
    above = np.flatnonzero(scores > lowest)
    equal = np.flatnonzero(scores == lowest)[: n - len(above)]
    places = np.concatenate([above, equal])
    return places[np.lexsort((places, -scores[places]))]


def _scores(
    model: ServedModel, user_id: int, known: Known, liked: Ints, unliked: Ints
) -> tuple[str, Floats]:
    """Why these, and (I,) scores that may be written to, by the rows that he liked and met."""
    if len(liked):
        vector = model.user_vector(user_id, known.person, liked, unliked)
        reason = PERSONAL if model.learned_from(user_id) else NEW_USER
        return reason, model.scores(vector[None])[0]
    group = popular_group(model.popular, known)
    reason = POPULAR if group is None else f"{POPULAR} in {group}"
    return reason, model.popular.scores(group)


def popular_group(popular: Popular, known: Known) -> str | None:
    """The group whose likes stand for a user without any: his country's, else his age's."""
    person = known.person
    names = []
    if person.country is not None:
        names.append(country_group(person.country))
    if person.age is not None:
        names.append(age_group(person.age))
    return next((name for name in names if name in popular.groups), None)
