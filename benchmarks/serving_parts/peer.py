"""The peer: the same model in eager torch, in a FastAPI handler, as one writes it first.

Movies' vectors and histories are kept ready, as here; each request adds up the user's vector, runs
both towers over the catalogue, leaves out what was seen and answers a pydantic model.

    uvicorn serving_parts.peer:app --workers 2      with PEER_BUNDLE=directory
"""

import os
from pathlib import Path

import torch
from fastapi import FastAPI
from pydantic import BaseModel
from safetensors.torch import load_file

from movie_recommender.ranking.contacts import CONTACTS, Contacts
from movie_recommender.ranking.folded import MOVIES
from movie_recommender.ranking.scorer import CATALOGUE, WEIGHTS
from movie_recommender.serving.catalogue import Catalogue

torch.set_num_threads(1)

BUNDLE = Path(os.environ["PEER_BUNDLE"])
weights = load_file(BUNDLE / WEIGHTS)
vectors = load_file(BUNDLE / MOVIES)
movies, bias = vectors["vectors"], vectors["bias"]
catalogue = Catalogue.read(BUNDLE / CATALOGUE)
contacts = Contacts.open(BUNDLE / CONTACTS)
movie_half = movies @ weights["mlp_movie"]
app = FastAPI()


class Item(BaseModel):
    """A movie of the list."""

    movie_id: int
    title: str
    genres: list[str]
    year: int | None
    language: str | None
    score: float


class Answer(BaseModel):
    """The list."""

    user_id: int
    items: list[Item]


@app.get("/recommendations/{user_id}")
async def recommendations(user_id: int, k: int = 10) -> Answer:
    """The best k movies that the user hasn't met; ids are rows in this world."""
    with torch.inference_mode():
        met, liked = contacts.met(user_id)
        history = torch.from_numpy(met[liked])
        n = max(1, len(history))
        user = weights["user_embedding"][user_id] + movies[history].sum(0) / n**0.5
        user = user + torch.log1p(torch.tensor(float(n))) * weights["user_activity"]
        scores = movies @ (user * weights["gmf_out"]) + bias
        hidden = (user @ weights["mlp_user"] + weights["mlp_bias"] + movie_half).relu()
        hidden = (hidden @ weights["mlp_hidden"] + weights["mlp_hidden_bias"]).relu()
        scores = scores + hidden @ weights["mlp_out"]
        scores[torch.from_numpy(met)] = -torch.inf
        best = torch.topk(scores, k)
    items = [
        Item(**catalogue.movie(row), score=score)
        for row, score in zip(best.indices.tolist(), best.values.tolist(), strict=True)
    ]
    return Answer(user_id=user_id, items=items)
