"""Because of which movies a movie is recommended: the model's own sums, taken apart."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from movie_recommender.ranking.folded import Folded, tower
from movie_recommender.serving.model import ServedModel
from movie_recommender.serving.seen import Known

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Because:
    """What one movie of the history adds to a score.

    Attributes:
        row: of the movie in the catalogue.
        linear: through GMF; exact, as that is linear in the history.
        tower: through the MLP tower: its output less what it is without this movie.
    """

    row: int
    linear: float
    tower: float

    @property
    def total(self) -> float:
        """Both together, in log odds."""
        return self.linear + self.tower


@dataclass(frozen=True)
class Explained:
    """A movie's score and its parts, in log odds.

    Attributes:
        row: of the movie in the catalogue.
        score: the model's.
        movie: what the movie has with everybody (its bias).
        user: what comes through GMF from who the user is: id, side features, activity, and what he
            met without liking it.
        tower: what comes through the MLP tower in all. movie + user + tower + the history's linear
            parts are the score.
        history: all movies of the history, the strongest first.
    """

    row: int
    score: float
    movie: float
    user: float
    tower: float
    history: list[Because]


def explain(model: ServedModel, user_id: int, known: Known, rows: Ints) -> list[Explained]:
    """The movies at `rows` (n,) taken apart.

    GMF's sum is linear in the user's vector: the history's movie h, which enters with weight w_h,
    adds w_h <v_h * gmf_out, v_i> to the score of movie i. The MLP tower isn't: a movie's part is
    what leaving it out takes away, and these parts needn't add up.
    """
    history = model.rows(known.liked)
    unliked = model.rows(known.unliked)
    user = model.user_vector(user_id, known.person, history, unliked)  # (d,)
    parts = model.recency(len(history))[:, None] * model.movies[history]  # (H, d)
    itself = user - parts.sum(axis=0)
    without = np.concatenate([user[None], user - parts])  # (1 + H, d)
    out = model.weights["gmf_out"]
    found = []
    for row in rows.tolist():
        movie = model.movies[row] * out  # (d,)
        linear = parts @ movie  # (H,)
        deep = _tower(model, without, row)  # (1 + H,)
        because = [
            Because(int(place), float(one), float(deep[0] - rest))
            for place, one, rest in zip(history, linear, deep[1:], strict=True)
        ]
        found.append(
            Explained(
                row=row,
                score=float(user @ movie + model.bias[row] + deep[0]),
                movie=float(model.bias[row]),
                user=float(itself @ movie),
                tower=float(deep[0]),
                history=sorted(because, key=lambda part: -part.total),
            )
        )
    return found


def _tower(model: ServedModel, users: Floats, row: int) -> Floats:
    """(n,) the MLP tower's output for the users' vectors (n, d) and one movie."""
    movie = Folded(model.movies[[row]], model.bias[[row]])
    products = (users * model.weights["gmf_out"]) @ movie.vectors.T  # (n, 1)
    return tower(model.weights, users, movie.half(model.weights), products)[:, 0]
