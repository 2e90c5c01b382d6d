"""Movies by words of their titles: whatever the case, the accents and the order of the words."""

import re
import unicodedata
from collections.abc import Iterable, Sequence

_WORD = re.compile(r"\w+")


def words_of(text: str) -> list[str]:
    """Its words in lower case, without accents."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    plain = "".join(letter for letter in decomposed if not unicodedata.combining(letter))
    return _WORD.findall(plain)


class TitleSearch:
    """An index of titles by their words.

    Args:
        titles: by row.
        likes: by row; of equally good titles the more liked goes first.
    """

    def __init__(self, titles: Sequence[str], likes: Sequence[int]) -> None:
        self._likes = likes
        self._words = [words_of(title) for title in titles]
        self._lines = [" ".join(words) for words in self._words]

    def find(self, query: str, *, limit: int) -> list[int]:
        """Rows of the titles that have every word of `query`, the last one also as a beginning.

        The same title goes first, then those that begin with it, then the others. Without a word
        there is nothing to find.
        """
        wanted = words_of(query)
        if not wanted:
            return []
        found = [row for row, line in enumerate(self._lines) if self._has(row, line, wanted)]
        line = " ".join(wanted)
        return sorted(found, key=lambda row: self._place(row, line))[:limit]

    def _has(self, row: int, line: str, wanted: Iterable[str]) -> bool:
        if not all(word in line for word in wanted):  # quick, and true for every match
            return False
        *whole, last = wanted
        words = self._words[row]
        return all(word in words for word in whole) and any(w.startswith(last) for w in words)

    def _place(self, row: int, line: str) -> tuple[bool, bool, int, int]:
        title = self._lines[row]
        return title != line, not title.startswith(line), -self._likes[row], row
