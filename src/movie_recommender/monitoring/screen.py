"""The facts on one screen."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from movie_recommender.monitoring.care import Care, in_words
from movie_recommender.monitoring.dag import AirflowFacts, RunFacts
from movie_recommender.monitoring.facts import Facts
from movie_recommender.monitoring.lake import LakeFacts
from movie_recommender.monitoring.model import ModelFacts, VersionFacts
from movie_recommender.monitoring.reading import Part
from movie_recommender.monitoring.serving import ServingFacts
from movie_recommender.monitoring.snapshot import SnapshotFacts
from movie_recommender.monitoring.topics import KafkaFacts

_MARKS = {
    "well": ("✓", "green"),
    "care": ("!", "yellow"),
    "gone": ("✗", "red"),
    "off": ("-", "dim"),
}
_NOT_SET = {"serving": "SERVING_URL", "airflow": "AIRFLOW_API_URL"}


def show(facts: Facts, care: Sequence[Care], console: Console) -> None:
    """A row or two a part; below, what needs care and what to do about it."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, style="bold")
    table.add_column(overflow="fold")
    cared_for = {each.part for each in care}
    for name, part in facts.parts.items():
        mark, style = _MARKS[_state(part, cared=name in cared_for)]
        for number, line in enumerate(_lines(name, part, facts.at)):
            first = number == 0
            table.add_row(Text(mark if first else "", style), name if first else "", Text(line))
    console.print(table)
    console.print()
    for each in care:
        console.print(Text.assemble((f"{each.part}: ", "bold"), each.what))
        console.print(Text(f"  → {each.do}"))
    console.print(Text("All is well." if not care else f"{len(care)} to look after."))
    console.print(Text("What is set, and where: movie-recommender settings", "dim"))


def _state(part: Part[Any], *, cared: bool) -> str:
    if part.problem is not None:
        return "gone"
    if part.value is None:
        return "off"
    return "care" if cared else "well"


def _lines(name: str, part: Part[Any], now: datetime) -> Iterator[str]:
    if part.problem is not None:
        yield "can't be read, see below"
    elif part.value is None:
        yield f"left out: {_NOT_SET[name]} is empty"
    else:
        yield from _TOLD[name](part.value, now)


def _lake(lake: LakeFacts, now: datetime) -> Iterator[str]:
    rows = ", ".join(f"{found.rows:,} {table}" for table, found in lake.tables.items())
    yield rows or "no table yet"
    if lake.newest_event is not None and lake.newest_arrival is not None:
        yield (
            f"newest event {_ago(lake.newest_event, now)}, landed "
            f"{_ago(lake.newest_arrival, now)}; {lake.dead_letter_share:.2%} dead letters"
        )


def _kafka(kafka: KafkaFacts, _: datetime) -> Iterator[str]:
    waiting = ", ".join(f"{topic.messages:,} {name}" for name, topic in kafka.topics.items())
    yield f"waiting for extraction: {waiting}"


def _features(found: SnapshotFacts, now: datetime) -> Iterator[str]:
    yield (
        f"snapshot {found.id} as of {found.as_of:%Y-%m-%d} ({_ago(found.as_of, now)}), "
        f"{found.rows.get('training_frame', 0):,} examples, {len(found.warnings)} warnings"
    )
    if found.drift:
        feature, worst = max(found.drift.items(), key=lambda item: item[1].value)
        yield f"drift against the production model's: most in {feature}, {worst.value:.3f}"
    else:
        yield "drift: not measured, for want of a reference"


def _model(model: ModelFacts, now: datetime) -> Iterator[str]:
    for alias, version in (("production", model.production), ("previous", model.previous)):
        yield f"{alias} {_version(version, now)}"


def _version(version: VersionFacts | None, now: datetime) -> str:
    if version is None:
        return "none"
    verdict = {True: "gate passed", False: "gate NOT passed", None: "not judged"}
    metrics = "".join(f", {name} {value:.3f}" for name, value in version.metrics.items())
    return (
        f"version {version.version} ({_ago(version.created, now)}), "
        f"{verdict[version.gate_passed]}{metrics}"
    )


def _serving(serving: ServingFacts, _: datetime) -> Iterator[str]:
    ready = "ready" if serving.ready else "NOT ready"
    yield (
        f"{ready}, version {serving.version or 'none'}, {len(serving.worker_versions)} workers, "
        f"contacts of snapshot {serving.snapshot_id or 'none'}"
    )


def _airflow(airflow: AirflowFacts, now: datetime) -> Iterator[str]:
    last = airflow.last
    yield "no run has ended yet" if last is None else _run(last, now)
    if airflow.running is not None:
        yield f"under way: {_run(airflow.running, now)}"
    if airflow.next_run is not None:
        yield f"next run {airflow.next_run:%Y-%m-%d %H:%M} UTC"


def _run(run: RunFacts, now: datetime) -> str:
    took = "" if run.seconds is None else f" after {run.seconds:,.0f} s"
    failed = f": {', '.join(run.failed_tasks)}" if run.failed_tasks else ""
    return f"{run.run_id} {run.state}{failed}{took}, {_ago(run.ended or run.queued, now)}"


def _ago(then: datetime, now: datetime) -> str:
    return f"{in_words(now - then)} ago" if now >= then else f"in {in_words(then - now)}"


_TOLD: Mapping[str, Callable[[Any, datetime], Iterator[str]]] = {
    "lake": _lake,
    "kafka": _kafka,
    "features": _features,
    "model": _model,
    "serving": _serving,
    "airflow": _airflow,
}
