"""How like MovieLens the default synthetic data is: figures side by side, and a picture.

    make bench NAME=simulation_realism
    make bench NAME=simulation_realism ARGS="--picture docs/images/simulation_realism.png"

The folder is named by MOVIELENS_PATH (ml-latest-small by default); without it nothing is measured.
MovieLens' events are ratings, given for the most part in bulk while people tell the site what they
know already. The synthetic ones are 31 days of a place where movies are watched. So only shapes are
compared, never numbers of events.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from claims import machine, note
from scipy.sparse import csr_array

from movie_recommender.settings import load_settings
from movie_recommender.simulation import interactions_of_day, make_world
from movie_recommender.simulation import movie_arrivals as arrivals
from movie_recommender.simulation import movie_events as present
from movie_recommender.simulation.movielens import load

ROOT = Path(__file__).parent.parent
LAST_DAY, DAYS = date(2026, 11, 22), 31
LIKED = 3.5
SESSION_GAP_S = 30 * 60
STARS = np.arange(1, 11) / 2
CLUSTERED_MOVIES, NEIGHBOURS = 300, 10

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Data:
    """What is compared. Users and movies are rows.

    Attributes:
        name: for the picture.
        contacts: user, movie, time (seconds): once for each movie that a user met.
        liked: user, movie: once for each movie that a user met and found good.
        ratings: user, movie, stars.
        genres: (I, G) float, rows of unit length.
    """

    name: str
    contacts: tuple[Ints, Ints, Ints]
    liked: tuple[Ints, Ints]
    ratings: tuple[Ints, Ints, Floats]
    genres: Floats


@dataclass(frozen=True)
class Figure:
    """One property of both data sets; alike if the ratio is within `most` and its inverse."""

    claim: str
    value: float
    unit: str
    peer_value: float
    most: float
    why: str = ""

    def say(self, peer: str) -> None:
        """Print the figure as a JSON line."""
        ratio = self.value / self.peer_value
        line = {
            "claim": self.claim,
            "value": round(self.value, 4),
            "unit": self.unit,
            "peer": peer,
            "peer_value": round(self.peer_value, 4),
            "goal": f"{1 / self.most:.2f} to {self.most:.2f}",
            "conditions": "; ".join(filter(None, [self.why, machine()])),
            "ratio": round(ratio, 3),
            "holds": 1 / self.most <= ratio <= self.most,
        }
        sys.stdout.write(json.dumps(line) + "\n")


def main() -> None:
    """Measure, print, draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--picture", type=Path, help="draw the comparison into this PNG file")
    options = parser.parse_args()
    folder = Path(os.environ.get("MOVIELENS_PATH", ROOT / "../shared/data/ml-latest-small"))
    if not folder.is_dir():
        note(f"skipped: there is no MovieLens folder {str(folder)!r}; name one in MOVIELENS_PATH")
        return
    ours, theirs = synthetic(), movielens(folder)
    for figure in figures(ours, theirs):
        figure.say(theirs.name)
    if options.picture:
        draw(ours, theirs, options.picture)


def synthetic() -> Data:
    """The default world's 31 days."""
    settings = load_settings()
    world = make_world(
        settings.simulation_seed, settings.simulation_users, settings.simulation_movies
    )
    days = [LAST_DAY - timedelta(days=n) for n in reversed(range(DAYS))]
    movies = pa.concat_tables([present(world, days[0]), *[arrivals(world, d) for d in days[1:]]])
    table = pa.concat_tables(block for day in days for block in interactions_of_day(world, day))
    views = table.filter(pc.equal(table["event_type"], "view"))
    rated = table.filter(pc.equal(table["event_type"], "rating"))
    good = pc.or_kleene(
        pc.equal(table["event_type"], "like"),
        pc.or_kleene(
            pc.greater_equal(table["rating"], LIKED), pc.greater_equal(table["fraction"], 0.5)
        ),
    )
    liked = table.filter(good).group_by(["user_id", "movie_id"]).aggregate([])
    user_ids = np.unique(table["user_id"].to_numpy())

    def rows(part: pa.Table) -> tuple[Ints, Ints]:
        user = np.searchsorted(user_ids, part["user_id"].to_numpy())
        found = pc.index_in(part["movie_id"], movies["movie_id"].combine_chunks())
        return user, found.to_numpy().astype(np.int64)

    seconds = views["event_time"].cast(pa.int64()).to_numpy() // 1_000_000
    return Data(
        "synthetic",
        (*rows(views), seconds),
        rows(liked),
        (*rows(rated), rated["rating"].to_numpy()),
        unit_genres(movies["genres"]),
    )


def movielens(folder: Path) -> Data:
    """The ratings of a MovieLens folder."""
    data = load(folder)
    _, user = np.unique(data.ratings["user_id"].to_numpy(), return_inverse=True)
    found = pc.index_in(data.ratings["movie_id"], data.movies["movie_id"].combine_chunks())
    movie, stars = found.to_numpy().astype(np.int64), data.ratings["rating"].to_numpy()
    good = stars >= LIKED
    return Data(
        f"MovieLens {folder.resolve().name}",
        (user, movie, data.ratings["time"].to_numpy()),
        (user[good], movie[good]),
        (user, movie, stars),
        unit_genres(data.movies["genres"]),
    )


def figures(ours: Data, theirs: Data) -> list[Figure]:
    """All that is compared."""

    def both(measure: Callable[[Data], float]) -> tuple[float, float]:
        return float(measure(ours)), float(measure(theirs))

    def figure(
        claim: str, unit: str, measure: Callable[[Data], float], most: float, why: str = ""
    ) -> Figure:
        value, peer = both(measure)
        return Figure(claim, value, unit, peer, most, why)

    truncated = "MovieLens leaves out users below 20 ratings"
    bulk = "MovieLens' ratings are given in bulk"
    return [
        figure("top 1 % of movies, by ratings", "share", lambda d: top(per_movie(d, "r")), 1.5),
        figure("top 1 % of movies, by likes", "share", lambda d: top(per_movie(d, "l")), 1.5),
        figure("Gini of movies, by ratings", "", lambda d: gini(per_movie(d, "r")), 1.2),
        figure("Gini of movies, by likes", "", lambda d: gini(per_movie(d, "l")), 1.2),
        figure("movies a user, 25 % / median", "", lambda d: spread(d, 0.25), 1.5, truncated),
        figure("movies a user, 75 % / median", "", lambda d: spread(d, 0.75), 1.5),
        figure("movies a user, 99 % / median", "", lambda d: spread(d, 0.99), 3),
        figure("mean rating", "stars", lambda d: d.ratings[2].mean(), 1.1),
        figure("deviation of ratings", "stars", lambda d: d.ratings[2].std(), 1.2),
        figure("ratings above 3", "share", lambda d: (d.ratings[2] >= LIKED).mean(), 1.2),
        figure("overlap of the histograms of ratings", "share", lambda d: overlap(d, theirs), 1.2),
        figure("deviation of users' means", "stars", user_bias, 1.5),
        figure("likeness of genres given the user", "lift", genre_lift, 1.5),
        figure("clustering of co-occurrence", "", lambda d: clustering(d.liked), 1.5),
        figure("clustering beyond that of shuffled likes", "", structure, 1.5),
        figure("session's movies, mean", "", lambda d: sessions(d).mean(), 3, bulk),
        figure("session's movies, median", "", lambda d: np.median(sessions(d)), 1.5),
        figure("session's movies, 90 %", "", lambda d: np.quantile(sessions(d), 0.9), 3, bulk),
    ]


def per_movie(data: Data, kind: str) -> Ints:
    """(I,) number of ratings (r) or likes (l) of each movie, ascending."""
    movie = data.ratings[1] if kind == "r" else data.liked[1]
    return np.sort(np.bincount(movie, minlength=len(data.genres)))


def top(counts: Ints, share: float = 0.01) -> float:
    """What part of all is the most frequent `share` of the movies'."""
    return counts[-max(1, round(share * len(counts))) :].sum() / counts.sum()


def gini(counts: Ints) -> float:
    """Gini coefficient: 0 if all movies have the same, 1 if one has all."""
    rank = np.arange(1, len(counts) + 1)
    return ((2 * rank - len(counts) - 1) @ counts) / (len(counts) * counts.sum())


def per_user(data: Data) -> Ints:
    """(U,) movies that each user met."""
    return np.unique(data.contacts[0], return_counts=True)[1]


def spread(data: Data, quantile: float) -> float:
    """That quantile of movies a user, in medians."""
    return np.quantile(per_user(data), quantile) / np.median(per_user(data))


def histogram(data: Data) -> Floats:
    """(10,) share of each rating from 0.5 to 5."""
    return np.array([(data.ratings[2] == stars).mean() for stars in STARS])


def overlap(data: Data, other: Data) -> float:
    """1 minus the total variation distance of the ratings' histograms."""
    return 1 - np.abs(histogram(data) - histogram(other)).sum() / 2


def user_bias(data: Data) -> float:
    """Deviation of users' mean ratings, less what chance adds; users with five or more."""
    user, _, stars = data.ratings
    count = np.bincount(user)
    many = count >= 5
    mean = np.bincount(user, weights=stars)[many] / count[many]
    square = np.bincount(user, weights=stars**2)[many] / count[many]
    chance = (square - mean**2) / (count[many] - 1)
    return np.sqrt(max(mean.var() - chance.mean(), 0.0))


def genre_lift(data: Data) -> float:
    """How much more alike two movies that one user likes are than two that any two users like.

    Alike: the inner product of their genres as vectors of unit length, in the mean over pairs.
    """
    user, movie = data.liked
    genres = data.genres[movie]
    together = csr_array((np.ones(len(user)), (user, np.arange(len(user))))) @ genres  # (U, G)
    n = np.bincount(user)
    squares = np.bincount(user, weights=np.square(genres).sum(axis=1))
    pairs = n * (n - 1)
    same = (np.square(together).sum(axis=1) - squares)[pairs > 0] / pairs[pairs > 0]
    return same.mean() / np.square(genres.mean(axis=0)).sum()


def clustering(liked: tuple[Ints, Ints]) -> float:
    """Mean local clustering coefficient (Watts and Strogatz 1998) of the movies' neighbourhoods.

    The graph joins each of the 300 most liked movies with the ten that are liked with it most
    beyond what chance would give: by (observed - expected) / root of expected.
    """
    user, movie = liked
    popular = np.argsort(-np.bincount(movie), kind="stable")[:CLUSTERED_MOVIES]
    place = np.full(movie.max() + 1, -1)
    place[popular] = np.arange(len(popular))
    keep = place[movie] >= 0
    matrix = csr_array((np.ones(keep.sum()), (user[keep], place[movie[keep]])))
    both = (matrix.T @ matrix).toarray()
    counts = np.diag(both).copy()
    np.fill_diagonal(both, 0)
    expected = np.outer(counts, counts) * (both.sum() / counts.sum() ** 2)
    excess = (both - expected) / np.sqrt(expected)
    near = np.argsort(-excess, axis=1, kind="stable")[:, :NEIGHBOURS]
    graph = np.zeros(excess.shape)
    np.put_along_axis(graph, near, 1.0, axis=1)
    graph = np.maximum(graph, graph.T)
    degree = graph.sum(axis=1)
    triangles = np.einsum("ij,ji->i", graph @ graph, graph)
    return (triangles / (degree * (degree - 1))).mean()


def structure(data: Data) -> float:
    """Clustering that the numbers of likes of users and movies alone don't give."""
    return clustering(data.liked) - clustering(shuffled(data.liked))


def shuffled(liked: tuple[Ints, Ints]) -> tuple[Ints, Ints]:
    """As many likes of each user and each movie, but of nobody's taste."""
    return liked[0], np.random.default_rng(0).permutation(liked[1])


def sessions(data: Data) -> Ints:
    """Movies met in each session; a gap of more than half an hour ends one."""
    user, _, time = data.contacts
    order = np.lexsort((time, user))
    user, time = user[order], time[order]
    starts = np.ones(len(user), np.bool_)
    starts[1:] = (np.diff(user) != 0) | (np.diff(time) > SESSION_GAP_S)
    return np.diff(np.append(np.flatnonzero(starts), len(user)))


def unit_genres(column: pa.ChunkedArray) -> Floats:
    """(I, G) genres as vectors of unit length; a movie without any has zeros."""
    lists = column.combine_chunks()
    names = pc.unique(lists.flatten())
    genres = np.zeros((len(lists), len(names)))
    rows = pc.list_parent_indices(lists).to_numpy()
    genres[rows, pc.index_in(lists.flatten(), names).to_numpy()] = 1
    return genres / np.maximum(np.linalg.norm(genres, axis=1, keepdims=True), 1e-9)


def draw(ours: Data, theirs: Data, file: Path) -> None:
    """Draw the comparison into `file`."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    plt.rcParams.update({"axes.spines.top": False, "axes.spines.right": False, "font.size": 10})
    figure, axes = plt.subplots(2, 3, figsize=(13, 7.2), layout="constrained")
    colours = {ours.name: "#d9622b", theirs.name: "#2f6f9f"}
    bars = {name: dict.fromkeys(range(3), 0.0) for name in colours}
    for offset, data in zip((-0.1, 0.1), (ours, theirs), strict=True):
        style = {"color": colours[data.name], "label": data.name}
        counts = per_movie(data, "l")[::-1]
        share = np.arange(1, len(counts) + 1) / len(counts)
        axes[0, 0].plot(share, np.cumsum(counts) / counts.sum(), **style)
        axes[0, 1].loglog(share[counts > 0], counts[counts > 0] / counts.mean(), **style)
        axes[0, 2].bar(STARS + offset, histogram(data), width=0.2, **style)
        users = np.sort(per_user(data)) / np.median(per_user(data))
        axes[1, 0].semilogx(users, np.linspace(0, 1, len(users)), **style)
        length = np.sort(sessions(data))
        axes[1, 1].loglog(length, 1 - np.arange(len(length)) / len(length), **style)
        values = (genre_lift(data), clustering(data.liked), clustering(shuffled(data.liked)))
        bars[data.name] = dict(enumerate(values))
        drawn = axes[1, 2].bar(np.arange(3) + 2 * offset, values, width=0.38, **style)
        axes[1, 2].bar_label(drawn, fmt="%.2f")
    texts = (
        ("Likes of the most liked movies", "share of movies", "share of likes"),
        ("Likes by rank", "rank / movies", "likes / mean"),
        ("Ratings", "stars", "share"),
        ("Movies a user", "movies / median", "share of users with fewer"),
        ("Movies a session", "movies", "share of sessions with as many"),
        ("Structure", "", ""),
    )
    for axis, (title, x, y) in zip(axes.flat, texts, strict=True):
        axis.set(title=title, xlabel=x, ylabel=y)
    axes[1, 2].set_xticks(range(3), ["genre lift\ngiven the user", "clustering", "… shuffled"])
    axes[0, 0].legend(frameon=False, loc="lower right")
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=110)


if __name__ == "__main__":
    main()
