"""A movie as the page shows it."""

import zlib
from dataclasses import dataclass, field

from movie_recommender.serving.catalogue import Catalogue
from movie_recommender.serving.explain import Explained

N_HUES = 12
"""Colours of the style sheet for genres."""

MAX_BECAUSE = 2
"""Liked movies that are named for a recommended one."""
WORTH_NAMING = 0.3
"""A liked movie is named if it adds at least this share of what the strongest one adds."""


@dataclass(frozen=True)
class Card:
    """A movie.

    Attributes:
        movie_id: in the catalogue.
        title: as it came, with whatever is in it.
        genres: names.
        year: None where not known.
        language: None where not known.
        hue: its colour, 0 to `N_HUES` - 1; that of its first genre.
        because: titles of the liked movies that brought it here, the strongest first.
    """

    movie_id: int
    title: str
    genres: list[str]
    year: int | None
    language: str | None
    hue: int
    because: list[str] = field(default_factory=list)

    @property
    def letter(self) -> str:
        """What stands for a poster."""
        return next((letter for letter in self.title if letter.isalnum()), "?").upper()


def card(catalogue: Catalogue, row: int, explained: Explained | None = None) -> Card:
    """The movie at `row`, with the reasons for it if there are any."""
    movie = catalogue.movie(row)
    name = (movie["genres"] or [""])[0]
    because = [] if explained is None else _because(catalogue, explained)
    return Card(**movie, hue=zlib.crc32(name.encode()) % N_HUES, because=because)


def _because(catalogue: Catalogue, explained: Explained) -> list[str]:
    strongest = explained.history[:MAX_BECAUSE]
    least = WORTH_NAMING * max((part.total for part in strongest), default=0.0)
    return [
        catalogue.titles[part.row] for part in strongest if part.total > 0 and part.total >= least
    ]
