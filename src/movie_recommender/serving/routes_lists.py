"""Routes about a user's list."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Response
from fastapi import Query as QueryParameters

from movie_recommender.serving.answers import Explanation, Recommendations
from movie_recommender.serving.catalogue import Catalogue
from movie_recommender.serving.context import Context
from movie_recommender.serving.explain import Explained
from movie_recommender.serving.hot import HotRoute
from movie_recommender.serving.query import MAX_USER_ID, Query

UserId = Annotated[int, Path(ge=0, le=MAX_USER_ID)]
Asked = Annotated[Query, QueryParameters()]

MAX_BECAUSE = 5
"""Movies of the history that are named for each recommended one."""


def router(context: Context, hot: HotRoute) -> APIRouter:
    """The routes; `hot` answers the first one before they are asked, unless by HEAD."""
    routes = APIRouter(tags=["recommendations"])

    @routes.head("/recommendations/{user_id}", include_in_schema=False)
    @routes.get("/recommendations/{user_id}", response_model=Recommendations)
    async def recommendations(user_id: UserId, query: Asked) -> Response:
        """The best movies for a user, ranked now, without those that he has met."""
        return Response(hot.recommend(user_id, query), media_type="application/json")

    @routes.get("/recommendations/{user_id}/explain")
    async def explanation(user_id: UserId, query: Asked) -> Explanation:
        """The same list, each movie with the seen movies because of which it is there."""
        model = context.service.model
        ranking, known, parts = context.service.explain(user_id, query)
        scores = zip(ranking.rows.tolist(), ranking.scores.tolist(), strict=True)
        items: list[dict[str, Any]] = [
            {**model.catalogue.movie(row), "score": score} for row, score in scores
        ]
        for item, explained in zip(items, parts, strict=False):  # no parts: not personal
            item |= _parts(model.catalogue, explained)
        return Explanation.model_validate(
            {
                "user_id": user_id,
                "model_version": model.version,
                "reason": ranking.reason,
                "seen": known.seen.tolist(),
                "liked": known.liked.tolist(),
                "items": items,
            }
        )

    return routes


def _parts(catalogue: Catalogue, explained: Explained) -> dict[str, Any]:
    return {
        "movie": explained.movie,
        "user": explained.user,
        "history": sum(part.linear for part in explained.history),
        "tower": explained.tower,
        "because": [
            {
                "movie_id": int(catalogue.movie_ids[part.row]),
                "title": catalogue.titles[part.row],
                "contribution": part.total,
                "linear": part.linear,
                "tower": part.tower,
            }
            for part in explained.history[:MAX_BECAUSE]
        ],
    }
