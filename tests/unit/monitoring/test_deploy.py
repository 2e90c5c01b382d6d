"""The rules and the dashboard know only metrics that exist, and every alert has its runbook."""

import importlib.util
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import REGISTRY

import movie_recommender.serving.metrics  # noqa: F401  (its metrics register themselves)
from movie_recommender.monitoring.metrics import limits_of, metrics_of
from movie_recommender.settings import load_settings
from tests.unit.monitoring.worlds import RUN, VALUES, well

ROOT = Path(__file__).parents[3]
PROMETHEUS = ROOT / "deploy" / "prometheus"
DASHBOARD = ROOT / "deploy" / "grafana" / "dashboards" / "movie-recommender.json"
OF_PROMETHEUS = {"up", "ALERTS"}
NAME = re.compile(r"\b((?:movie_recommender|serving|airflow)_[a-z0-9_]+)|\b(up|ALERTS)\b")


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load((PROMETHEUS / "rules.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    return [p for p in json.loads(DASHBOARD.read_text())["panels"] if p["type"] != "row"]


def expressions() -> dict[str, str]:
    """PromQL by where it stands."""
    found = {f"alert {rule['alert']}": rule["expr"] for rule in rules()}
    for panel in panels():
        found |= {f"panel {panel['title']} {t['refId']}": t["expr"] for t in panel["targets"]}
    for each in json.loads(DASHBOARD.read_text())["annotations"]["list"]:
        found[f"annotation {each['name']}"] = each["expr"]
    return found


def of_exporter() -> Iterator[str]:
    warned = replace(VALUES["features"], warnings={"drift.hour": "drift.hour is broken: …"})
    running = replace(VALUES["airflow"], running=RUN)
    facts = well(features=warned, airflow=running)
    for family in (*limits_of(load_settings()), *metrics_of(facts)):
        yield from (sample.name for sample in family.samples)


def of_serving() -> Iterator[str]:
    """Every sample that a metric may have, such as `…_bucket`."""
    return (name for name in REGISTRY._names_to_collectors if name.startswith("serving_"))


def of_airflow() -> Iterator[str]:
    """As the StatsD exporter calls them: no suffix but a summary's."""
    # Not imported: it would read a home that isn't the tests' own.
    spec = importlib.util.find_spec("airflow")
    assert spec is not None
    assert spec.origin is not None
    shared = Path(spec.origin).parent / "_shared" / "observability" / "metrics"
    told = yaml.safe_load((shared / "metrics_template.yaml").read_text())["metrics"]
    for metric in told:
        yield f"airflow_{metric['name'].replace('.', '_')}"


@pytest.fixture(scope="module")
def known() -> set[str]:
    return {*of_exporter(), *of_serving(), *of_airflow(), *OF_PROMETHEUS}


@pytest.mark.parametrize("place", expressions())
def test_every_metric_that_is_asked_for_exists(place: str, known: set[str]) -> None:
    asked = {first or second for first, second in NAME.findall(expressions()[place])}
    assert asked
    assert asked - known == set()


def test_a_metric_that_nobody_has_is_seen(known: set[str]) -> None:
    (asked,) = NAME.findall("max(movie_recommender_lake_row{table='x'})")
    assert asked[0] not in known


def test_every_alert_says_how_bad_it_is_what_it_is_and_what_to_do() -> None:
    page = (ROOT / "docs" / "runbooks-monitoring.md").read_text()
    sections = re.findall(r"^### (\w+)$", page, re.MULTILINE)
    assert sorted(sections) == sorted(rule["alert"] for rule in rules())
    for rule in rules():
        assert rule["labels"]["severity"] in {"critical", "warning"}
        assert rule["for"]
        assert rule["annotations"]["summary"].endswith(".")
        anchor = f"docs/runbooks-monitoring.md#{rule['alert'].lower()}"
        assert rule["annotations"]["runbook_url"] == anchor


def test_the_alert_table_is_that_of_the_rules() -> None:
    page = (ROOT / "docs" / "monitoring.md").read_text()
    row = r"^\| \[(\w+)\]\(runbooks-monitoring\.md#(\w+)\) \| (\w+) \|"
    rows = re.findall(row, page, re.MULTILINE)
    expected = [(r["alert"], r["alert"].lower(), r["labels"]["severity"]) for r in rules()]
    assert sorted(rows) == sorted(expected)


def test_the_dashboard_lies_on_its_grid_and_asks_the_provisioned_source() -> None:
    provisioned = yaml.safe_load(
        (ROOT / "deploy/grafana/provisioning/datasources/prometheus.yml").read_text()
    )
    uid = provisioned["datasources"][0]["uid"]
    taken: set[tuple[int, int]] = set()
    for panel in panels():
        place = panel["gridPos"]
        cells = {
            (place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])
        }
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells
        assert {t["datasource"]["uid"] for t in panel["targets"]} == {uid}
    assert len({panel["id"] for panel in panels()}) == len(panels())


@pytest.mark.parametrize(
    "arguments",
    [("check", "config", "prometheus.yml"), ("test", "rules", "rules_test.yml")],
)
def test_prometheus_own_tool_agrees(arguments: tuple[str, ...]) -> None:
    if shutil.which("promtool") is None:
        pytest.skip("promtool isn't installed: apt-get install prometheus")
    done = subprocess.run(
        ["promtool", *arguments], cwd=PROMETHEUS, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
