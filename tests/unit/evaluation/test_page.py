"""The page: what stands on it, in which order, and that it needs nothing else."""

import re
from dataclasses import replace
from typing import Any

import pytest

from movie_recommender.evaluation.bootstrap import Estimate
from movie_recommender.evaluation.contest import SliceResult
from movie_recommender.evaluation.examples import Example, Movie
from movie_recommender.evaluation.facts import Facts, GenreShare
from movie_recommender.evaluation.page import render
from movie_recommender.evaluation.result import EvaluationResult
from tests.unit.html_page import Page, assert_needs_nothing_else

REASON = {
    "rule": "ndcg_at_10", "value": 0.61, "threshold": 0.5, "passed": True, "low": 0.6,
    "high": 0.62, "severity": "fail", "about": "",
}  # fmt: skip
WORSE = REASON | {"rule": "no_slice_worse", "passed": False, "about": "new users"}
BEATEN = REASON | {"rule": "beats_als", "passed": False, "severity": "warn"}
USERS = REASON | {"rule": "judged_users", "value": 2995, "low": None, "high": None}


def result(*reasons: dict[str, Any], passed: bool = True, **changes: Any) -> EvaluationResult:
    facts: dict[str, Any] = {
        "version": 7,
        "as_of": "2026-06-10T00:00:00+00:00",
        "window_start": "2026-06-07T00:00:00+00:00",
        "window_end": "2026-06-10T00:00:00+00:00",
        "n_users": 2995,
        "n_positives": 8393,
        "headline": "Model version 7 passed the gate",
        "metrics": {},
        "intervals": {},
        "baselines": {},
        "production": None,
        "differences": {},
        "slices": [],
        "gate": {"passed": passed, "reasons": list(reasons)},
    }
    return EvaluationResult(**(facts | changes))


def near(value: float) -> Estimate:
    return Estimate(value, value - 0.01, value + 0.01)


FACTS = Facts(
    models={
        "version 7": {"ndcg_at_10": near(0.6), "calibration_at_10": near(0.9)},
        "als": {"ndcg_at_10": near(0.5), "calibration_at_10": near(0.8)},
    },
    slices=[
        SliceResult("new users", "nothing liked", 53, 86, near(0.5), near(0.7), near(-0.02)),
        SliceResult("genre: Drama", "of the genre Drama", 90, 99, near(0.6), near(0.8)),
    ],
    curves={"loss": [(1, 0.75), (2, 0.5), (3, 0.25)], "learning_rate": []},
    genres=[GenreShare("Drama", 0.25, 0.5)],
    examples=[
        Example(
            user_id=42,
            group="light users",
            history=(Movie("Old One", 1990, ("Drama",)),),
            n_history=6,
            shown=(Movie("Hit", 2001, ("Drama", "War"), liked=True), Movie("Miss", None, ())),
            missed=(Movie("Overlooked", 1999, ()),),
        )
    ],
    drift={"hour": 0.02, "n_positives": 0.3, "genres": 0.2},
    versions={"Judged on snapshot": "5ca1ab1e"},
)
NONE = "\N{EN DASH}"
EMPTY = Facts({}, [], {}, [], [], {}, {})


def row(html: str, name: str) -> str:
    """The text of the table row whose head is `name`."""
    rows = re.findall(r"<tr.*?</tr>", html, re.S)
    (found,) = [part for part in rows if re.search(f">{name} ?<", part)]
    return " ".join(Page(found).text.split())


def test_the_headline_comes_first_in_the_colour_of_the_verdict() -> None:
    ahead = "Model version 7 passed the gate; als beats it by 0.1"
    for reasons, passed, state in (
        ([REASON], True, "ok"),
        ([REASON, BEATEN], True, "warn"),
        ([REASON, WORSE], False, "fail"),
    ):
        found = Page(render(result(*reasons, passed=passed, headline=ahead), FACTS))
        assert found.of("p")[0] == {"class": f"verdict {state}"}
        assert found.text.index(ahead) < found.text.index("Window")


def test_each_rule_has_its_numbers() -> None:
    html = render(result(USERS, REASON, WORSE, BEATEN, passed=False), FACTS)
    assert row(html, "judged_users") == f"judged_users ✓ holds 2,995 {NONE} 0.5000"
    assert "✕ not met 0.6100 0.6000 to 0.6200" in row(html, "no_slice_worse")
    assert "new users" in row(html, "no_slice_worse")
    assert "! warning" in row(html, "beats_als")


def test_models_stand_side_by_side_with_intervals_and_the_best_is_marked() -> None:
    html = render(result(REASON), FACTS)
    ours, als = row(html, "version 7"), row(html, "als")
    assert ours == "version 7 0.6000 0.5900 to 0.6100 0.9000 0.8900 to 0.9100"
    assert als == "als 0.5000 0.4900 to 0.5100 0.8000 0.7900 to 0.8100"
    best = re.findall(r'<td class="best"><span class="value">([\d.]+)', html)
    assert best == ["0.6000", "0.8000"]  # of calibration less is better


def test_pictures_are_to_scale() -> None:
    html = render(result(REASON), FACTS)
    # From 0.49, the lowest end, to 0.61, the highest: 5 to 195 of 200 units.
    assert 'd="M163.3 7H195.0"' in html
    assert 'cx="179.2"' in html
    assert 'd="M5.0 7H36.7"' in html
    assert 'd="M0.0,0.0 L150.0,55.0 L300.0,110.0"' in html  # the loss falls evenly
    assert 'width="50.00" height="6"' in html
    assert 'width="100.00" height="6"' in html


def test_slices_say_what_is_in_them() -> None:
    html = render(result(REASON), FACTS)
    new = "new users nothing liked 53 86 0.5000 0.4900 to 0.5100 0.7000 0.6900 to 0.7100"
    assert row(html, "new users") == f"{new} -0.0200 -0.0300 to -0.0100"
    assert row(html, "genre: Drama").endswith(NONE)
    alone = replace(FACTS, slices=[replace(FACTS.slices[0], against_production=None)])
    assert "Ahead of production" in html
    assert "Ahead of production" not in render(result(REASON), alone)


def test_lists_have_titles_and_what_was_liked() -> None:
    text = " ".join(Page(render(result(REASON), FACTS)).text.split())
    assert "User 42 of the light users Liked last, of 6 Old One (1990) Drama" in text
    assert "Would be shown Hit (2001) Drama, War ✓ liked" in text
    assert text.count("✓ liked") == 2  # with the legend
    assert "Liked in the window and not in the list Overlooked (1999)" in text


def test_the_farthest_feature_comes_first() -> None:
    html = render(result(REASON), FACTS)
    places = [html.index(f"<code>{name}</code>") for name in ("n_positives", "genres", "hour")]
    assert places == sorted(places)
    assert "▲▲ strong" in row(html, "n_positives")
    assert "Jensen-Shannon distance ▲ some" in row(html, "genres")
    assert row(html, "hour") == "hour 0.020 PSI ✓ none"


def test_a_training_without_metrics_and_a_window_without_positives_have_a_page() -> None:
    found = Page(render(result(REASON | {"value": None}, passed=False), EMPTY))
    assert found.open == []
    assert "The training left no metrics in its run." in found.text
    assert "None was measured" in found.text
    assert not found.of("svg")


@pytest.mark.parametrize("points", [[(4, 0.5)], [(1, 0.5), (2, 0.5)]])
def test_a_curve_of_one_point_or_of_one_value_is_drawn(points: list[tuple[int, float]]) -> None:
    html = render(result(REASON), replace(FACTS, curves={"loss": points}))
    (line,) = re.findall(r'class="line" d="([^"]+)"', html)
    assert set(line) <= set("ML,. 0123456789")


def test_every_value_is_escaped() -> None:
    bad = "<script>alert('&')</script>"
    movie = Movie(bad, 2000, (bad,), liked=True)
    facts = Facts(
        models={bad: FACTS.models["als"]},
        slices=[replace(FACTS.slices[0], name=bad, about=bad)],
        curves={bad: [(1, 1.0)]},
        genres=[GenreShare(bad, 0.1, 0.1)],
        examples=[Example(1, bad, (movie,), 1, (movie,), (movie,))],
        drift={bad: 1.0},
        versions={bad: '" onload="alert(1)'},
    )
    html = render(result(REASON | {"rule": bad, "about": bad}, headline=bad), facts)
    found = Page(html)
    assert not found.of("script")
    assert not [a for _, attributes in found.elements for a in attributes if a.startswith("on")]
    assert found.text.count(bad) > 15
    assert found.open == []


def test_the_page_needs_nothing_else() -> None:
    assert_needs_nothing_else(render(result(REASON), FACTS))


def test_tables_and_plots_can_be_read_aloud() -> None:
    found = Page(render(result(REASON), FACTS))
    assert found.of("html", lang="en")
    assert all(attributes.get("scope") for attributes in found.of("th"))
    pictures = found.of("svg")
    assert all(a.get("role") == "img" or a.get("aria-hidden") == "true" for a in pictures)
    curve = found.of("svg", role="img")[0]["aria-label"]
    assert curve == "loss from step 1 to 3: from 0.75 to 0.25; in numbers below"


def test_the_same_arguments_give_the_same_page() -> None:
    assert render(result(REASON), FACTS) == render(result(REASON), FACTS)
