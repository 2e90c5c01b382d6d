"""The movies that a model ranks, as answers show them and filters see them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

_UNKNOWN_YEAR = -1


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
        columns = ["movie_id", "title", "genres", "year", "language"]
        table = pq.read_table(path, columns=columns, use_threads=False)
        years = pc.fill_null(table["year"], _UNKNOWN_YEAR).to_numpy().astype(np.int32)
        names: dict[str, str] = {}  # one string for each name, not one for each movie that has it
        return cls(
            movie_ids=table["movie_id"].to_numpy(),
            titles=pc.fill_null(table["title"], "").to_pylist(),
            genres=[
                tuple(names.setdefault(name, name) for name in found or ())
                for found in table["genres"].to_pylist()
            ],
            years=years,
            languages=[
                name and names.setdefault(name, name) for name in table["language"].to_pylist()
            ],
            of_genre=_masks(table["genres"]),
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


def _masks(genres: pa.ChunkedArray) -> dict[str, Mask]:
    lists = genres.combine_chunks()
    rows = pc.list_parent_indices(lists).to_numpy(zero_copy_only=False)
    masks: dict[str, Mask] = {}
    flat = pc.utf8_lower(lists.flatten())
    for name in pc.unique(flat.drop_null()).to_pylist():
        mask = np.zeros(len(lists), np.bool_)
        mask[rows[pc.fill_null(pc.equal(flat, name), False).to_numpy(zero_copy_only=False)]] = True
        masks[name] = mask
    return masks
