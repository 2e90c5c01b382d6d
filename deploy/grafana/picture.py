"""Draw the dashboard's panels from a Prometheus: `docs/images/dashboard.png`, without a Grafana.

    python deploy/grafana/picture.py --prometheus http://localhost:9090 --minutes 30 --to a.png

Each panel's own queries are asked. Exit code 1 where one is refused; panels without data say so.
"""

import argparse
import json
import re
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import matplotlib as mpl

mpl.use("Agg")
import matplotlib.dates as mdates
import matplotlib.pyplot as plt
from matplotlib.axes import Axes

DASHBOARD = Path(__file__).parent / "dashboards" / "movie-recommender.json"
COLUMNS, ROW_INCHES, WIDTH_INCHES = 24, 0.36, 18.0
MOST_NAMES = 8
POINTS = 240
WORDS = {"s": " s", "percentunit": "", "reqps": "/s"}

Series = tuple[str, list[float], list[float]]
"""Legend, seconds since 1970, values."""


def series_of(
    client: httpx.Client, panel: dict[str, Any], start: float, end: float
) -> list[Series]:
    """What Prometheus answers to the panel's queries.

    Raises:
        HTTPStatusError: it refuses one.
    """
    found = []
    for target in panel["targets"]:
        step = max(5.0, (end - start) / POINTS)
        asked = {"query": target["expr"], "start": start, "end": end, "step": step}
        answer = client.get("/api/v1/query_range", params=asked).raise_for_status().json()
        for one in answer["data"]["result"]:
            times, values = zip(*((t, float(v)) for t, v in one["values"]), strict=True)
            found.append((legend(target["legendFormat"], one["metric"]), list(times), list(values)))
    return found


def legend(form: str, labels: dict[str, str]) -> str:
    """The series' name, as Grafana makes it of `{{label}}`."""
    return re.sub(r"\{\{(\w+)\}\}", lambda found: labels.get(found[1], ""), form).strip()


def draw_stat(axes: Axes, panel: dict[str, Any], series: list[Series]) -> None:
    """The last value, large, in its threshold's colour."""
    axes.axis("off")
    defaults = panel["fieldConfig"]["defaults"]
    if not series:
        axes.text(0.5, 0.4, "no data", ha="center", color="grey", fontsize=16)
        return
    value = series[0][2][-1]
    mapped = defaults.get("mappings", [{"options": {}}])[0]["options"].get(f"{value:.0f}")
    steps = [
        s for s in defaults["thresholds"]["steps"] if s["value"] is None or value >= s["value"]
    ]
    text = mapped["text"] if mapped else written(value, defaults["unit"])
    colour = mapped["color"] if mapped else steps[-1]["color"]
    axes.text(0.5, 0.35, text, ha="center", color=colour, fontsize=26, weight="bold")


def written(value: float, unit: str) -> str:
    """A value in its unit; seconds in the largest of which there is one."""
    if unit != "s":
        return f"{value:,.4g}"
    for name, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if value >= size:
            return f"{value / size:.1f} {name}"
    return f"{value:.1f} s"


def draw_lines(axes: Axes, panel: dict[str, Any], series: list[Series]) -> None:
    """A line a series, with a legend."""
    defaults = panel["fieldConfig"]["defaults"]
    custom = defaults["custom"]
    for name, times, values in series:
        instants = [datetime.fromtimestamp(t, UTC) for t in times]
        steps = custom["lineInterpolation"] == "stepAfter"
        axes.plot(instants, values, label=name, drawstyle="steps-post" if steps else "default")
    if "min" in defaults and series:
        axes.set_ylim(bottom=defaults["min"])
    axes.xaxis.set_major_locator(mdates.AutoDateLocator(tz=UTC, maxticks=6))
    axes.xaxis.set_major_formatter(mdates.DateFormatter("%H:%M", tz=UTC))
    axes.tick_params(labelsize=7)
    axes.grid(alpha=0.3)
    axes.set_ylabel(WORDS.get(defaults["unit"], ""), fontsize=7)
    if series:
        lines, names = axes.get_legend_handles_labels()
        more = f" (the first {MOST_NAMES} of {len(names)})" if len(names) > MOST_NAMES else None
        shown = slice(MOST_NAMES)
        axes.legend(
            lines[shown],
            names[shown],
            fontsize=6,
            title_fontsize=6,
            title=more,
            loc="best",
            ncols=2,
        )
    else:
        axes.text(0.5, 0.5, "no data", ha="center", color="grey", transform=axes.transAxes)


def place(at: dict[str, int], height: int) -> tuple[float, float, float, float]:
    """Left, bottom, width and height of a panel's axes as shares of the figure."""
    cell, tall = WIDTH_INCHES / COLUMNS, height * ROW_INCHES
    left = (at["x"] * cell + 0.5) / WIDTH_INCHES
    bottom = 1 - ((at["y"] + at["h"]) * ROW_INCHES - 0.3) / tall
    return left, bottom, (at["w"] * cell - 0.7) / WIDTH_INCHES, (at["h"] * ROW_INCHES - 0.65) / tall


def draw(dashboard: dict[str, Any], client: httpx.Client, start: float, end: float) -> list[str]:
    """Every panel at its place in a new figure; the titles of those without data."""
    panels = dashboard["panels"]
    height = max(p["gridPos"]["y"] + p["gridPos"]["h"] for p in panels)
    figure = plt.figure(figsize=(WIDTH_INCHES, height * ROW_INCHES))
    empty = []
    for panel in panels:
        at = panel["gridPos"]
        if panel["type"] == "row":
            figure.text(
                0.01, 1 - (at["y"] + 0.7) / height, panel["title"], fontsize=13, weight="bold"
            )
            continue
        axes = figure.add_axes(place(at, height))
        axes.set_title(panel["title"], fontsize=9, loc="left")
        series = series_of(client, panel, start, end)
        if panel["type"] == "stat":
            draw_stat(axes, panel, series)
        else:
            draw_lines(axes, panel, series)
            axes.set_xlim(datetime.fromtimestamp(start, UTC), datetime.fromtimestamp(end, UTC))
        empty += [] if series else [panel["title"]]
    return empty


def main() -> int:
    """Draw and save; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--prometheus", default="http://localhost:9090")
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--to", type=Path, required=True)
    given = parser.parse_args()
    end = datetime.now(UTC).timestamp()
    with httpx.Client(base_url=given.prometheus, timeout=30) as client:
        dashboard = json.loads(DASHBOARD.read_text())
        try:
            empty = draw(dashboard, client, end - 60 * given.minutes, end)
        except httpx.HTTPError as error:
            sys.stderr.write(f"{given.prometheus} refuses a panel's query: {error}\n")
            return 1
    plt.savefig(given.to, dpi=80)
    sys.stderr.write(f"{given.to}; without data: {', '.join(empty) or 'none'}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
