"""A movie as the page shows it."""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from movie_recommender.serving.catalogue import Catalogue
from movie_recommender.serving.explain import Because, Explained

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
        because: titles of the liked movies that brought it here.
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

    @property
    def year_apart(self) -> bool:
        """Whether there is a year to show that the title doesn't end with already."""
        return self.year is not None and not self.title.endswith(f"({self.year})")


def card(catalogue: Catalogue, row: int, because: Sequence[int] = ()) -> Card:
    """The movie at `row`; `because` are the rows of the liked movies that brought it."""
    movie = catalogue.movie(row)
    name = (movie["genres"] or [""])[0]
    titles = [catalogue.titles[liked] for liked in because]
    return Card(**movie, hue=zlib.crc32(name.encode()) % N_HUES, because=titles)


def because(explained: Sequence[Explained]) -> dict[int, list[int]]:
    """By recommended row: the rows of the liked movies that are worth naming for it.

    They are among those that add most to its score, and of them those go first that add more to it
    than to the rest of the list: the newest likes add much to every movie.
    """
    mean: dict[int, float] = {}
    for one in explained:
        for part in one.history:
            mean[part.row] = mean.get(part.row, 0.0) + part.total / len(explained)
    return {one.row: _named(one.history, mean) for one in explained}


def _named(history: Sequence[Because], mean: Mapping[int, float]) -> list[int]:
    least = WORTH_NAMING * max((part.total for part in history), default=0.0)
    worth = [part for part in history if part.total > 0.0 and part.total >= least]
    worth.sort(key=lambda part: mean[part.row] - part.total)
    return [part.row for part in worth[:MAX_BECAUSE]]
