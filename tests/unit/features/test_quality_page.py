"""The page: what stands on it, in which order, and that it needs nothing else."""

import re
from dataclasses import replace
from datetime import UTC, datetime

from movie_recommender.features.drift import Drift
from movie_recommender.features.findings import Finding
from movie_recommender.features.quality_page import render
from tests.unit.html_page import Page, assert_needs_nothing_else

AS_OF = datetime(2026, 6, 10, tzinfo=UTC)
HELD = Finding("a.held", "fail", passed=True, observed="0 rows", expected="none")
WARNED = Finding("a.warned", "warn", passed=False, observed="1 row", expected="none")
FAILED = Finding("a.failed", "fail", passed=False, observed="2 rows", expected="none")
HOUR = Drift(
    feature="hour",
    measure="PSI",
    value=0.27,
    level="strong",
    bins=("up to 9", "over 9", "no value"),
    reference=(0.5, 0.5, 0.0),
    today=(0.25, 0.75, 0.0),
    n_reference=2000,
    n_today=12_345,
)
GENRES = replace(HOUR, feature="genres", measure="Jensen-Shannon distance", bins=("A", "B", "C"))


def page(**options: object) -> str:
    fixed = {"snapshot_id": "5ca1ab1e", "as_of": AS_OF, "reference_id": "0ddba11"}
    fixed |= {"findings": [HELD, WARNED, FAILED], "drifts": [HOUR, GENRES]}
    return render(**(fixed | options))  # type: ignore[arg-type]


def test_what_the_build_is() -> None:
    html = page()
    assert html.startswith("<!doctype html>")
    text = Page(html).text
    for part in ("5ca1ab1e", "2026-06-10T00:00:00+00:00", "0ddba11"):
        assert part in text


def test_the_verdict() -> None:
    assert "Fit to be published." in page(findings=[HELD])
    assert "Fit to be published, with 1 warning." in page(findings=[HELD, WARNED])
    verdict = "Not fit to be published: 1 rule is broken, 1 warning."
    assert verdict in page()
    assert "2 rules are broken, 0 warnings." in page(findings=[FAILED, FAILED])


def test_what_failed_comes_first() -> None:
    text = Page(page()).text
    places = [text.index(rule) for rule in ("a.failed", "a.warned", "a.held")]
    assert places == sorted(places)


def test_the_farthest_feature_comes_first_and_the_unknown_last() -> None:
    drifts = [
        replace(HOUR, feature="near", value=0.01, level="none"),
        replace(HOUR, feature="unknown", value=9.0, level="unknown", n_today=3),
        replace(HOUR, feature="far", value=3.0),
        GENRES,
    ]
    found = Page(page(drifts=drifts)).of("svg", role="img")
    names = [re.findall("Shares of (.+?) by bin", str(svg["aria-label"]))[0] for svg in found]
    assert names == ["far", "near", "unknown"]


def test_each_bin_stands_in_the_plot_and_in_numbers() -> None:
    html = page()
    assert "over 9: 50.0% in the reference, 75.0% today" in html
    assert Page(html).text.count("75.0%") == 4  # tooltip, highest, numbers, genre
    # The highest bar fills the plot's 56 units, the others are to scale.
    assert 'y="0.00" width="36.00" height="56.00"' in html
    assert 'y="37.33" width="36.00" height="18.67"' in html
    assert "12,345" in html


def test_without_a_reference_there_is_no_drift() -> None:
    html = page(drifts=[], reference_id=None)
    assert "There is no reference to measure from yet." in html
    assert "<svg" not in html


def test_without_rows_and_without_findings_there_is_a_page() -> None:
    empty = {"reference": (0.0, 0.0), "today": (0.0, 0.0), "n_reference": 0, "n_today": 0}
    hour = replace(HOUR, bins=("any value", "no value"), level="unknown", **empty)
    genres = replace(GENRES, bins=(), level="unknown", **{**empty, "reference": (), "today": ()})
    found = Page(page(findings=[], drifts=[hour, genres]))
    assert found.open == []
    assert "No rule is broken." in found.text
    assert "too few rows" in found.text


def test_every_value_is_escaped() -> None:
    bad = "<script>alert('&')</script>"
    finding = Finding(bad, "fail", passed=False, observed=bad, expected=bad)
    html = page(
        snapshot_id=bad,
        reference_id=bad,
        findings=[finding],
        drifts=[
            replace(HOUR, feature=bad, bins=(bad,) * 3),
            replace(GENRES, bins=(bad, '" onload="alert(1)', "C")),
        ],
    )
    found = Page(html)
    assert not found.of("script")
    assert not [a for _, attributes in found.elements for a in attributes if a.startswith("on")]
    assert found.text.count(bad) > 8
    assert found.open == []


def test_the_page_needs_nothing_else() -> None:
    html = page()
    assert_needs_nothing_else(html)
    assert Page(html).open == []


def test_tables_and_plots_can_be_read_aloud() -> None:
    found = Page(page())
    assert found.of("html", lang="en")
    assert all(attributes.get("scope") for attributes in found.of("th"))
    pictures = found.of("svg")
    assert all(a.get("role") == "img" or a.get("aria-hidden") == "true" for a in pictures)
    assert all(attributes["aria-label"] for attributes in found.of("svg", role="img"))


def test_the_same_arguments_give_the_same_page() -> None:
    assert page() == page()
