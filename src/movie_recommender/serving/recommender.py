"""Ranking, and nothing else: a model, what is known about a user, a query; a list with a reason."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from movie_recommender.ranking.popular import Popular, age_group, country_group
from movie_recommender.ranking.shortlist import highest
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
    """The best `query.k` movies of the whole catalogue: filters are applied before the cut.

    A user without a like gets what is popular in his country, else at his age, else with everybody.
    Of equal scores the lower row goes first.
    """
    liked, unliked = model.rows(known.liked), model.rows(known.unliked)
    allowed = model.allowed(*query.filters)

    def hide(scores: Floats) -> int:
        """Score -inf for what may not be on the list; how many movies are left."""
        if query.exclude_seen:
            scores[liked] = scores[unliked] = -np.inf
        if allowed is not None:
            scores[~allowed] = -np.inf
        return int(np.count_nonzero(scores != -np.inf))

    if len(liked):
        reason = PERSONAL if model.learned_from(user_id) else NEW_USER
        user = model.user_vector(user_id, known.person, liked, unliked)
        rows, scores = _best(model, user, query.k, hide)
    else:
        group = popular_group(model.popular, known)
        reason = POPULAR if group is None else f"{POPULAR} in {group}"
        scores = model.popular.scores(group)
        rows = top(scores, min(query.k, hide(scores)))
        scores = scores[rows]
    if len(rows) < query.k:
        reason = f"{reason}; k={query.k} cut to the {len(rows)} movies that are left"
    return Ranking(reason, rows, scores)


def top(scores: Floats, n: int) -> Ints:
    """(n,) places of the highest scores, best first; of equal ones the lower place first.

    Args:
        scores: (I,), of which at least `n` are above -inf.
        n: how many.
    """
    places = highest(scores, n)
    best: Ints = places[(-scores[places]).argsort(kind="stable")[:n]]
    return best


def _best(
    model: ServedModel, user: Floats, k: int, hide: Callable[[Floats], int]
) -> tuple[Ints, Floats]:
    """Rows of the k movies with the best scores for a user's vector, and these scores.

    Of a large catalogue a first stage chooses those that are scored exactly. What may not be on the
    list is left out before, so that the list is as full as it would be without.
    """
    shortlist = model.shortlist
    size = None if shortlist is None else shortlist.size(k)
    if shortlist is None or size is None:
        scores = model.scores(user[None])[0]
        rows = top(scores, min(k, hide(scores)))
        return rows, scores[rows]
    rough = shortlist.scores(model.weights, user)
    places = highest(rough, min(size, hide(rough)))
    scores = model.scores_of(user, places)
    best = top(scores, min(k, len(places)))
    return places[best], scores[best]


def popular_group(popular: Popular, known: Known) -> str | None:
    """The group whose likes stand for a user without any: his country's, else his age's."""
    person = known.person
    names = []
    if person.country is not None:
        names.append(country_group(person.country))
    if person.age is not None:
        names.append(age_group(person.age))
    return next((name for name in names if name in popular.groups), None)
