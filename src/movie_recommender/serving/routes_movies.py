"""Routes about movies: one, those like it, those of a name, those that everybody likes."""

from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Path, Query

from movie_recommender.serving.answers import Movie, Movies, ScoredMovies
from movie_recommender.serving.context import Context
from movie_recommender.serving.model import ServedModel
from movie_recommender.serving.problems import Problem
from movie_recommender.serving.query import MAX_K, MAX_USER_ID
from movie_recommender.serving.recommender import top

MovieId = Annotated[int, Path(ge=0, le=MAX_USER_ID)]
Count = Annotated[int, Query(ge=1, le=MAX_K, description="How many movies.")]
Words = Annotated[str, Query(min_length=1, max_length=200, description="Words of the title.")]
Genre = Annotated[str | None, Query(min_length=1, max_length=64)]


def router(context: Context) -> APIRouter:
    """The routes; they look at the model alone, so threads may run them."""
    routes = APIRouter(prefix="/movies", tags=["movies"])

    @routes.get("")
    def search(query: Words, k: Count = 20) -> Movies:
        """Movies with these words in their titles, whatever case, accents and order."""
        model = context.service.model
        rows = model.search.find(query, limit=k)
        items = [Movie(**model.catalogue.movie(row)) for row in rows]
        return Movies(model_version=model.version, items=items)

    @routes.get("/popular")
    def popular(k: Count = 10, genre: Genre = None) -> ScoredMovies:
        """What is liked most, by everybody; the score is the number of likes."""
        model = context.service.model
        scores = model.popular.scores()
        allowed = model.allowed(genre, None, None, None)
        if allowed is not None:
            scores[~allowed] = -np.inf
        n_allowed = int(np.count_nonzero(scores > -np.inf))
        return _scored(model, scores, top(scores, min(k, n_allowed)))

    @routes.get("/{movie_id}")
    def movie(movie_id: MovieId) -> Movie:
        """A movie."""
        model = context.service.model
        return Movie(**model.catalogue.movie(_row(model, movie_id)))

    @routes.get("/{movie_id}/similar")
    def similar(movie_id: MovieId, k: Count = 10) -> ScoredMovies:
        """Movies that the model has learned to be like it; the score is a cosine."""
        model = context.service.model
        row = _row(model, movie_id)
        scores = model.similar(row)
        scores[row] = -np.inf
        return _scored(model, scores, top(scores, min(k, len(scores) - 1)))

    return routes


def _scored(model: ServedModel, scores: Any, rows: Any) -> ScoredMovies:
    items: list[Any] = [
        {**model.catalogue.movie(row), "score": float(scores[row])} for row in rows.tolist()
    ]
    return ScoredMovies(model_version=model.version, items=items)


def _row(model: ServedModel, movie_id: int) -> int:
    row = model.catalogue.row(movie_id)
    if row is None:
        raise Problem(
            404,
            f"Version {model.version} of the model doesn't know a movie {movie_id}.",
            where="movie_id",
            remedy="Find it by its title: /movies?query=…; a new movie comes with a new version.",
        )
    return row
