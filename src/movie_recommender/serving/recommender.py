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


@dataclass(frozen=True, slots=True)
class Asker:
    """A user as a model takes him: of a list all that doesn't depend on what is asked.

    Attributes:
        reason: why the list will be this one.
        group: whose popular movies he gets; None: everybody's.
        vector: (d,) float32; None: he liked nothing, and gets what is popular.
        seen: (n,) rows of the catalogue that he has met.
    """

    reason: str
    group: str | None
    vector: Floats | None
    seen: Ints


def asker(model: ServedModel, user_id: int, known: Known) -> Asker:
    """A user without a like gets what is popular in his country, else at his age, else at all."""
    liked, unliked = model.rows(known.liked), model.rows(known.unliked)
    seen = np.concatenate([liked, unliked])
    if not len(liked):
        group = popular_group(model.popular, known)
        reason = POPULAR if group is None else f"{POPULAR} in {group}"
        return Asker(reason, group, None, seen)
    reason = PERSONAL if model.learned_from(user_id) else NEW_USER
    return Asker(reason, None, model.user_vector(user_id, known.person, liked, unliked), seen)


def rank(model: ServedModel, user_id: int, known: Known, query: Query) -> Ranking:
    """`rank_for` a user who hasn't been looked at before."""
    return rank_for(model, asker(model, user_id, known), query)


def rank_for(model: ServedModel, who: Asker, query: Query) -> Ranking:
    """The best `query.k` movies of the whole catalogue: filters are applied before the cut.

    Of equal scores the lower row goes first.
    """
    allowed = model.allowed(*query.filters)

    def hide(scores: Floats) -> int:
        """Score -inf for what may not be on the list; how many movies are left."""
        if query.exclude_seen:
            scores[who.seen] = -np.inf
        if allowed is not None:
            scores[~allowed] = -np.inf
        return int(np.count_nonzero(scores != -np.inf))

    if who.vector is not None:
        rows, scores = _best(model, who.vector, query.k, hide)
    else:
        scores = model.popular.scores(who.group)
        rows = top(scores, min(query.k, hide(scores)))
        scores = scores[rows]
    reason = who.reason
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
