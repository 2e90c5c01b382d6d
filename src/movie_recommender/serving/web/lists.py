"""The home page's view: a user's list, what it may be narrowed to, and why it is this one."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

import numpy as np
import orjson
from pydantic import ValidationError

from movie_recommender.serving.catalogue import Catalogue
from movie_recommender.serving.explain import explain
from movie_recommender.serving.hot import HotRoute
from movie_recommender.serving.problems import wrong_request
from movie_recommender.serving.query import Query
from movie_recommender.serving.recommender import top
from movie_recommender.serving.service import Service
from movie_recommender.serving.web.cards import Card, because, card
from movie_recommender.serving.web.words import Why, why

LENGTHS = (12, 24, 48)
"""How many movies the page offers to show."""

_FILTERS = ("k", "genre", "year_from", "year_to", "language")


@dataclass(frozen=True)
class Facets:
    """What a catalogue's filters can be set to."""

    genres: list[str]
    languages: list[str]


@dataclass(frozen=True)
class ListView:
    """A user's list.

    Attributes:
        user_id: whose.
        impression_id: names the list in feedback.
        version: of the model.
        why: why it is this list.
        cards: its movies, the best first.
        n_liked: movies that he liked so far.
        filters: those that are set, as text.
        back: the address of this list.
    """

    user_id: int
    impression_id: str
    version: int
    why: Why
    cards: list[Card]
    n_liked: int
    filters: dict[str, str]
    back: str


def filters_of(parameters: Mapping[str, str]) -> dict[str, str]:
    """The filters that are set; a field that was left empty isn't, nor a length not offered.

    Each movie of a list is explained, so that a long list would be work for a stranger to order.
    """
    found = {name: parameters.get(name, "").strip() for name in _FILTERS}
    if found["k"] not in map(str, LENGTHS):
        found["k"] = ""
    return {name: value for name, value in found.items() if value}


def facets(catalogue: Catalogue) -> Facets:
    """Genres and languages, in the order of the alphabet."""
    genres = {name for names in catalogue.genres for name in names if name}
    return Facets(sorted(genres), sorted({name for name in catalogue.languages if name}))


async def list_view(
    service: Service, hot: HotRoute, user_id: int, filters: Mapping[str, str]
) -> ListView:
    """The list, ranked now; it counts as shown.

    Raises:
        Problem: a filter is wrong, or there is no model yet.
    """
    query = _query(filters)
    # As GET /recommendations answers, so that it is counted and logged like any other list.
    answer = orjson.loads(hot.recommend(user_id, query))
    model, known = service.model, service.known(user_id)
    rows = [model.catalogue.row(item["movie_id"]) for item in answer["items"]]
    found = [row for row in rows if row is not None]
    reasons: dict[int, list[int]] = {}
    if len(model.rows(known.liked)):
        # In a thread: a long history takes a tenth of a second, and other lists don't wait for it.
        reasons = because(await asyncio.to_thread(explain, model, user_id, known, np.array(found)))
    return ListView(
        user_id=user_id,
        impression_id=answer["impression_id"],
        version=answer["model_version"],
        why=why(answer["reason"]),
        cards=[card(model.catalogue, row, reasons.get(row, ())) for row in found],
        n_liked=len(known.liked),
        filters=dict(filters),
        back=f"/?{urlencode(filters)}",
    )


def popular_cards(service: Service, *, n: int) -> list[Card]:
    """What everybody likes, the most liked first.

    Raises:
        Problem: there is no model yet.
    """
    model = service.model
    scores = model.popular.scores()
    return [card(model.catalogue, row) for row in top(scores, min(n, len(scores))).tolist()]


def _query(filters: Mapping[str, str]) -> Query:
    try:
        return Query.model_validate({"k": LENGTHS[0], **filters})
    except ValidationError as error:
        raise wrong_request(error.errors(include_url=False, include_context=False)) from None
