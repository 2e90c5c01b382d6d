"""The movies that a model ranks, as answers show them and filters see them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow.parquet as pq

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

_UNKNOWN_YEAR = -1
_COLUMNS = ("movie_id", "title", "genres", "year", "language")


@dataclass(frozen=True)
class Catalogue:
    """Movies by row, `movie_ids` ascending.

    Attributes:
        movie_ids: (I,) int64.
        titles: (I).
        genres: (I) of the names of each.
        years: (I,) int32, -1 where not known.
        languages: (I), None where not known.
        of_genre: by a genre's name in lower case: (I,) whether a movie has it.
        json: by row, what `rendered` has made so far.
    """

    movie_ids: Ints
    titles: Sequence[str]
    genres: Sequence[tuple[str, ...]]
    years: npt.NDArray[np.int32]
    languages: Sequence[str | None]
    of_genre: dict[str, Mask]
    json: dict[int, bytes] = field(default_factory=dict, repr=False)

    @classmethod
    def read(cls, path: Path) -> "Catalogue":
        """The bundle's Parquet file."""
        # As lists: Arrow's conversions to NumPy import pandas, 40 MB that a worker does without.
        with pq.ParquetFile(path) as file:
            table = file.read(columns=list(_COLUMNS), use_threads=False)
        ids, titles, genres, years, languages = (table[name].to_pylist() for name in _COLUMNS)
        names: dict[str, str] = {}  # one string for each name, not one for each movie that has it
        kept = [tuple(names.setdefault(name, name) for name in found or ()) for found in genres]
        return cls(
            movie_ids=np.array(ids, np.int64),
            titles=[title or "" for title in titles],
            genres=kept,
            years=np.array([_UNKNOWN_YEAR if year is None else year for year in years], np.int32),
            languages=[name and names.setdefault(name, name) for name in languages],
            of_genre=_masks(kept),
        )

    def __len__(self) -> int:
        return len(self.movie_ids)

    def row(self, movie_id: int) -> int | None:
        """Row of a movie, or None."""
        place = int(np.searchsorted(self.movie_ids, movie_id))
        found = place < len(self.movie_ids) and self.movie_ids[place] == movie_id
        return place if found else None

    def movie(self, row: int) -> dict[str, Any]:
        """What is shown of the movie at `row`. JSON-able."""
        year = int(self.years[row])
        return {
            "movie_id": int(self.movie_ids[row]),
            "title": self.titles[row],
            "genres": list(self.genres[row]),
            "year": None if year == _UNKNOWN_YEAR else year,
            "language": self.languages[row],
        }

    def rendered(self, row: int) -> bytes:
        """`movie`, as JSON; kept once it was asked for."""
        found = self.json.get(row)
        if found is None:
            found = self.json[row] = orjson.dumps(self.movie(row))
        return found

    def allowed(
        self,
        genre: str | None = None,
        year_from: int | None = None,
        year_to: int | None = None,
        language: str | None = None,
    ) -> Mask | None:
        """(I,) whether a movie passes every filter that is given; None where none is.

        A movie whose year or language isn't known passes no filter on it. Upper and lower case are
        the same.
        """
        masks: list[Mask] = []
        if genre is not None:
            masks.append(self.of_genre.get(genre.lower(), np.zeros(len(self), np.bool_)))
        if year_from is not None:
            masks.append(self.years >= year_from)
        if year_to is not None:
            masks.append((self.years <= year_to) & (self.years != _UNKNOWN_YEAR))
        if language is not None:
            wanted = language.lower()
            masks.append(np.array([(name or "").lower() == wanted for name in self.languages]))
        return np.logical_and.reduce(masks) if masks else None


def _masks(genres: Sequence[tuple[str, ...]]) -> dict[str, Mask]:
    masks: dict[str, Mask] = {}
    for row, names in enumerate(genres):
        for name in filter(None, names):
            if (key := name.lower()) not in masks:
                masks[key] = np.zeros(len(genres), np.bool_)
            masks[key][row] = True
    return masks
