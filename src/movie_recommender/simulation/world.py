"""Who lives in the simulated world: users, movies, and how well the one likes the other.

An affinity is the inner product of a user's taste and a movie's traits over 16 factors. The first
eight belong to genres, so a movie's genres tell about them; the others only co-occurrence shows.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

GENRES = (
    "Action",
    "Adventure",
    "Animation",
    "Children",
    "Comedy",
    "Crime",
    "Documentary",
    "Drama",
    "Fantasy",
    "Film-Noir",
    "Horror",
    "Musical",
    "Mystery",
    "Romance",
    "Sci-Fi",
    "Thriller",
    "War",
    "Western",
)
LANGUAGES = ("en", "es", "fr", "de", "ja", "ko", "hi", "zh")
COUNTRIES = ("US", "GB", "ES", "FR", "DE", "JP", "KR", "IN", "CN")
DEVICES = ("tv", "phone", "tablet", "desktop")

_LANGUAGE_OF_COUNTRY = np.array([0, 0, 1, 2, 3, 4, 5, 6, 7])
_LANGUAGE_SHARES = (0.55, 0.10, 0.09, 0.06, 0.06, 0.05, 0.05, 0.04)
_COUNTRY_SHARES = (0.30, 0.12, 0.10, 0.10, 0.10, 0.08, 0.06, 0.08, 0.06)
_DEVICE_SHARES = (0.40, 0.35, 0.10, 0.15)
_FIRST_WORDS = ("Silent", "Golden", "Last", "Broken", "Hidden", "Distant", "Crimson", "Second")
_SECOND_WORDS = ("River", "Promise", "City", "Winter", "Signal", "Garden", "Empire", "Voyage")

_GENRE_FACTORS = 8
_GENRE_SHARE = 0.5
"""Share of the affinity's variance that genres explain, about."""
_FINE_WEIGHTS = (1.0, 0.7, 0.5, 0.35, 0.25, 0.15, 0.1, 0.1)
_AGE_LEAN, _COUNTRY_LEAN, _LANGUAGE_BONUS, _QUALITY_WEIGHT = 0.35, 0.25, 0.3, 0.25
_POPULARITY_EXPONENT, _ACTIVITY_SIGMA = 0.8, 0.6


@dataclass(frozen=True)
class World:
    """U users and I movies; `user_id` and `movie_id` are the row plus one.

    Attributes:
        seed: with the sizes, what everything follows from.
        users: user_id, age, country, device; U rows.
        movies: movie_id, title, genres, year, language; I rows.
        taste: (U, 16) float32.
        traits: (I, 16) float32; `taste @ traits.T` has about mean 0 and variance 1.
        home_language: (U,) position in `LANGUAGES`.
        language: (I,) position in `LANGUAGES`.
        quality: (I,) float32, standard normal.
        log_popularity: (I,) float32, mean 0: a power law of the movie's rank.
        activity: (U,) float32, log-normal with mean 1.
        stride, offset: (U,) the order in which a user's days bring up the catalogue.
    """

    seed: int
    users: pa.Table
    movies: pa.Table
    taste: Floats
    traits: Floats
    home_language: Ints
    language: Ints
    quality: Floats
    log_popularity: Floats
    activity: Floats
    stride: Ints
    offset: Ints

    @property
    def n_users(self) -> int:
        """Number of users, U."""
        return int(self.users.num_rows)

    @property
    def n_movies(self) -> int:
        """Number of movies, I."""
        return int(self.movies.num_rows)

    @property
    def scope(self) -> tuple[int, int, int]:
        """What names this world: seed, users, movies."""
        return self.seed, self.n_users, self.n_movies

    def affinity(self, users: Ints, movies: Ints) -> Floats:
        """(B, C) float32: how much each user at rows (B,) likes the movies at rows (B, C)."""
        liking = np.einsum("bd,bcd->bc", self.taste[users], self.traits[movies])
        at_home = self.home_language[users][:, None] == self.language[movies]
        bonus = np.float32(_LANGUAGE_BONUS) * at_home
        return np.asarray(liking + bonus + _QUALITY_WEIGHT * self.quality[movies], np.float32)


def make_world(seed: int, n_users: int, n_movies: int) -> World:
    """The world of these numbers; with the same NumPy they always give the same world."""
    streams = np.random.SeedSequence([seed, n_users, n_movies]).spawn(3)
    rng_users, rng_movies, rng_taste = (np.random.default_rng(stream) for stream in streams)
    movies, genres, language = _movies(rng_movies, n_movies)
    users, age, country = _users(rng_users, n_users)
    prime = smallest_prime_from(n_movies)
    rank = rng_movies.permutation(n_movies) + 1
    log_popularity = -_POPULARITY_EXPONENT * np.log(rank)
    sigma = _ACTIVITY_SIGMA
    return World(
        seed=seed,
        users=users,
        movies=movies,
        taste=_taste(rng_taste, age, country),
        traits=_traits(rng_taste, genres),
        home_language=_LANGUAGE_OF_COUNTRY[country],
        language=language,
        quality=rng_movies.standard_normal(n_movies, np.float32),
        log_popularity=(log_popularity - log_popularity.mean()).astype(np.float32),
        activity=rng_users.lognormal(-(sigma**2) / 2, sigma, n_users).astype(np.float32),
        stride=rng_users.integers(1, prime, n_users),
        offset=rng_users.integers(prime, size=n_users),
    )


def smallest_prime_from(n: int) -> int:
    """The smallest prime >= `n`."""
    candidate = max(n, 2)
    while any(candidate % divisor == 0 for divisor in range(2, int(candidate**0.5) + 1)):
        candidate += 1
    return candidate


def _taste(rng: np.random.Generator, age: Ints, country: Ints) -> Floats:
    """(U, 16): each user's own, leaning to what the age group and the country like."""
    n_factors = _GENRE_FACTORS + len(_FINE_WEIGHTS)
    by_age = rng.standard_normal((8, n_factors))
    by_country = rng.standard_normal((len(COUNTRIES), n_factors))
    own = rng.standard_normal((len(age), n_factors))
    leaning = own + _AGE_LEAN * by_age[age // 10 - 1] + _COUNTRY_LEAN * by_country[country]
    # Everybody's taste is equally strong; else those with a weak one would see mere noise.
    length = np.linalg.norm(leaning, axis=1, keepdims=True)
    return np.asarray(leaning * np.sqrt(n_factors) / length, np.float32)


def _traits(rng: np.random.Generator, genres: list[Ints]) -> Floats:
    """(I, 16): the mean of the genres' own vectors, and fine factors of the movie alone."""
    by_genre = rng.standard_normal((len(GENRES), _GENRE_FACTORS))
    coarse = np.array([by_genre[chosen].mean(axis=0) for chosen in genres])
    fine = rng.standard_normal((len(genres), len(_FINE_WEIGHTS))) * _FINE_WEIGHTS
    coarse *= np.sqrt(_GENRE_SHARE / np.square(coarse).sum(axis=1).mean())
    fine *= np.sqrt((1 - _GENRE_SHARE) / np.square(_FINE_WEIGHTS).sum())
    return np.concatenate([coarse, fine], axis=1).astype(np.float32)


def _movies(rng: np.random.Generator, n: int) -> tuple[pa.Table, list[Ints], Ints]:
    """Attributes of the movies, their genres' positions, their languages' positions."""
    counts = rng.choice([1, 2, 3], n, p=[0.35, 0.45, 0.20])
    order = rng.random((n, len(GENRES))).argsort(axis=1)
    genres = [np.sort(row[:count]) for row, count in zip(order, counts, strict=True)]
    language = rng.choice(len(LANGUAGES), n, p=_LANGUAGE_SHARES)
    words = rng.integers([len(_FIRST_WORDS), len(_SECOND_WORDS)], size=(n, 2))
    table = pa.table(
        {
            "movie_id": pa.array(np.arange(1, n + 1), pa.int64()),
            "title": [
                f"{_FIRST_WORDS[a]} {_SECOND_WORDS[b]} {row + 1}"
                for row, (a, b) in enumerate(words)
            ],
            "genres": pa.array(
                [[GENRES[genre] for genre in chosen] for chosen in genres], pa.list_(pa.string())
            ),
            "year": pa.array(2025 - np.minimum(rng.exponential(15, n), 95).astype(int), pa.int32()),
            "language": pa.array(np.array(LANGUAGES)[language], pa.string()),
        }
    )
    return table, genres, language


def _users(rng: np.random.Generator, n: int) -> tuple[pa.Table, Ints, Ints]:
    """Attributes of the users, their ages in years, their countries' positions."""
    age = np.clip(rng.normal(36, 13, n), 14, 88).astype(np.int64)
    country = rng.choice(len(COUNTRIES), n, p=_COUNTRY_SHARES)
    device = rng.choice(len(DEVICES), n, p=_DEVICE_SHARES)
    table = pa.table(
        {
            "user_id": pa.array(np.arange(1, n + 1), pa.int64()),
            "age": pa.array(age, pa.int32()),
            "country": pa.array(np.array(COUNTRIES)[country], pa.string()),
            "device": pa.array(np.array(DEVICES)[device], pa.string()),
        }
    )
    return table, age, country
