import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from movie_recommender.ranking import Dataset
from movie_recommender.ranking.contacts import Person
from movie_recommender.serving.explain import explain
from movie_recommender.serving.model import ServedModel
from movie_recommender.serving.query import Query
from movie_recommender.serving.recommender import Ranking, rank, top
from movie_recommender.serving.seen import Known, known_from

NOBODY = 10**12


def ids(model: ServedModel, ranking: Ranking) -> list[int]:
    return model.catalogue.movie_ids[ranking.rows].tolist()


def known(liked: list[int] = [], seen: list[int] = [], person: Person = Person()) -> Known:  # noqa: B006, B008 - never written to
    return Known(person, np.array(liked, np.int64), np.array(seen, np.int64), ("", 0))


def vector_of(model: ServedModel, user_id: int, who: Known) -> np.ndarray:
    return model.user_vector(user_id, who.person, model.rows(who.liked), model.rows(who.unliked))


@given(
    st.lists(st.sampled_from([0.0, 1.0, 2.0, -3.5, float("-inf")]), min_size=1, max_size=30),
    st.data(),
)
def test_the_best_by_sorting_everything(scores: list[float], data: st.DataObject) -> None:
    n = data.draw(st.integers(0, sum(score > -np.inf for score in scores)))
    found = top(np.array(scores, np.float32), n)
    assert found.tolist() == sorted(range(len(scores)), key=lambda i: (-scores[i], i))[:n]


def test_a_list_is_the_whole_ranking_without_what_was_seen(
    model: ServedModel, dataset: Dataset
) -> None:
    user_id = int(dataset.user_ids[4])
    who = known_from(model.contacts, user_id)
    ranking = rank(model, user_id, who, Query(k=5))
    vector = vector_of(model, user_id, who)
    scores = model.scores(vector[None])[0]
    seen = set(model.rows(who.seen).tolist())
    order = [row for row in np.argsort(-scores, kind="stable").tolist() if row not in seen]
    assert ranking.reason == "personal"
    assert ranking.rows.tolist() == order[:5]
    np.testing.assert_array_equal(ranking.scores, scores[order[:5]])
    everything = rank(model, user_id, who, Query(k=42, exclude_seen=False))
    assert sorted(everything.rows.tolist()) == list(range(42))


def test_a_new_user_with_likes_gets_more_of_them(model: ServedModel) -> None:
    even = [row * 7 + 3 for row in (0, 2, 4)]
    ranking = rank(model, NOBODY, known(even), Query(k=5))
    assert ranking.reason == "new user with likes"
    assert all(row % 2 == 0 for row in ranking.rows.tolist())


def test_without_a_like_the_country_then_the_age_then_everybody(model: ServedModel) -> None:
    def reason(person: Person) -> str:
        return rank(model, NOBODY, known(person=person), Query()).reason

    # There are 13 likers from 25 to 34 years, and 7 of 55 to 64.
    assert reason(Person(30, "DE")) == "popular in country DE"
    assert reason(Person(30, "FR")) == "popular in age group 2"
    assert reason(Person(60, None)) == "popular"
    assert reason(Person()) == "popular"
    likes = model.popular.likes
    assert ids(model, rank(model, NOBODY, known(), Query(k=1)))[0] == int(np.argmax(likes)) * 7 + 3


@pytest.mark.parametrize(
    ("filters", "allowed"),
    [
        ({"genre": "even"}, lambda row: row % 2 == 0),
        ({"year_from": 2010}, lambda row: row % 7 and 1990 + row % 30 >= 2010),
        ({"year_to": 1995}, lambda row: row % 7 and 1990 + row % 30 <= 1995),
        ({"genre": "Odd", "year_from": 2000}, lambda row: row % 2 and row % 7 and row % 30 >= 10),
        ({"language": "EN"}, lambda row: row >= 0),
        ({"language": "fr"}, lambda row: row < 0),
        ({"genre": "Western"}, lambda row: row < 0),
    ],
)
def test_filtered_lists_are_full(model: ServedModel, filters: dict, allowed) -> None:  # type: ignore[no-untyped-def]
    even = [row * 7 + 3 for row in (0, 2, 4)]
    expected = [row for row in range(42) if allowed(row) and row not in (0, 2, 4)]
    ranking = rank(model, NOBODY, known(even), Query(k=10, **filters))
    assert set(ranking.rows.tolist()) <= set(expected)
    assert len(ranking.rows) == min(10, len(expected))
    cut = f"k=10 cut to the {len(expected)} movies that are left"
    assert (cut in ranking.reason) == (len(expected) < 10)


def test_more_than_there_is(model: ServedModel) -> None:
    ranking = rank(model, NOBODY, known(seen=[3, 10]), Query(k=1000))
    assert len(ranking.rows) == 40
    assert ranking.reason == "popular; k=1000 cut to the 40 movies that are left"


def test_the_parts_of_a_score_are_the_score(model: ServedModel, dataset: Dataset) -> None:
    user_id = int(dataset.user_ids[4])
    who = known_from(model.contacts, user_id)
    ranking = rank(model, user_id, who, Query(k=8))
    for part, score in zip(explain(model, user_id, who, ranking.rows), ranking.scores, strict=True):
        linear = sum(because.linear for because in part.history)
        assert part.score == pytest.approx(float(score), abs=1e-4)
        assert part.movie + part.user + part.tower + linear == pytest.approx(part.score, abs=1e-4)
        totals = [because.total for because in part.history]
        assert totals == sorted(totals, reverse=True)


def test_a_reason_is_what_the_score_lacks_without_it(model: ServedModel) -> None:
    liked = [row * 7 + 3 for row in (0, 2, 5)]
    who = known(liked)
    row = 6
    (part,) = explain(model, NOBODY, who, np.array([row]))
    user = vector_of(model, NOBODY, who)
    weights = model.recency(3)
    for because in part.history:
        weight = weights[[0, 2, 5].index(because.row)]
        without = user - weight * model.movies[because.row]
        both = model.scores(np.stack([user, without]))[:, row]
        assert because.total == pytest.approx(float(both[0] - both[1]), abs=1e-4)
    # The even movies speak for an even one, the odd one doesn't.
    assert [because.row for because in part.history][-1] == 5
