"""The views of one movie and of a user's history."""

from dataclasses import dataclass

import numpy as np

from movie_recommender.serving.model import ServedModel
from movie_recommender.serving.problems import Problem
from movie_recommender.serving.recommender import top
from movie_recommender.serving.seen import Known
from movie_recommender.serving.web.cards import Card, card

N_SIMILAR = 8
MAX_HISTORY = 200
"""Movies of a history that are shown, the newest."""


@dataclass(frozen=True)
class MovieView:
    """A movie, those like it, and what the user has done with it: liked, met or nothing."""

    card: Card
    similar: list[Card]
    likes: int
    state: str


@dataclass(frozen=True)
class HistoryView:
    """What a user met, the newest first, and how many of each there are in all."""

    liked: list[Card]
    unliked: list[Card]
    n_liked: int
    n_unliked: int


def movie_view(model: ServedModel, movie_id: int, known: Known | None) -> MovieView:
    """The movie's view.

    Raises:
        Problem: the model doesn't know the movie.
    """
    row = model.catalogue.row(movie_id)
    if row is None:
        raise Problem(
            404,
            f"Version {model.version} of the model doesn't know a movie {movie_id}.",
            where="movie",
            remedy="Look for it by its title; a new movie comes with a new version.",
        )
    scores = model.similar(row)
    scores[row] = -np.inf
    rows = top(scores, min(N_SIMILAR, len(scores) - 1)).tolist()
    return MovieView(
        card=card(model.catalogue, row),
        similar=[card(model.catalogue, other) for other in rows],
        likes=int(model.popular.scores()[row]),
        state=_state(movie_id, known),
    )


def history_view(model: ServedModel, known: Known) -> HistoryView:
    """The history's view; movies that the model doesn't know are counted, not shown."""

    def newest(movie_ids: np.ndarray) -> list[Card]:
        rows = model.rows(movie_ids)[-MAX_HISTORY:][::-1]
        return [card(model.catalogue, row) for row in rows.tolist()]

    return HistoryView(
        liked=newest(known.liked),
        unliked=newest(known.unliked),
        n_liked=len(known.liked),
        n_unliked=len(known.unliked),
    )


def _state(movie_id: int, known: Known | None) -> str:
    if known is None or movie_id not in known.seen:
        return "nothing"
    return "liked" if movie_id in known.liked else "met"
