import pytest

from movie_recommender.serving.search import TitleSearch

TITLES = [
    "The Matrix",
    "The Matrix Reloaded",
    "Amélie",
    "Le Fabuleux Destin d'Amélie Poulain",
    "Léon: The Professional",
    "Se7en",
    "",
    "千と千尋の神隠し",
]
LIKES = [5, 9, 1, 4, 3, 2, 0, 7]


@pytest.fixture
def search() -> TitleSearch:
    return TitleSearch(TITLES, LIKES)


@pytest.mark.parametrize(
    ("query", "rows"),
    [
        ("the matrix", [0, 1]),  # the very title goes before the more liked one
        ("MATRIX", [1, 0]),
        ("matrix the", [1, 0]),
        ("amelie", [2, 3]),
        ("AMÉLIE poul", [3]),
        ("poulain amelie fabuleux", [3]),
        ("leon professional", [4]),
        ("mat", [1, 0]),
        ("mat the", []),  # only the last word may be a beginning
        ("atrix", []),
        ("se7en", [5]),
        ("千と千尋の神隠し", [7]),
        ("nothing like it", []),
        ("?!", []),
    ],
)
def test_what_is_found(search: TitleSearch, query: str, rows: list[int]) -> None:
    assert search.find(query, limit=10) == rows


def test_no_more_than_asked_for(search: TitleSearch) -> None:
    assert search.find("the", limit=10) == [1, 0, 4]
    assert search.find("the", limit=2) == [1, 0]
