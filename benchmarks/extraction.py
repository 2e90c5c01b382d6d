"""Extraction, broker to committed Delta, beside Spark Structured Streaming and a bare consumer.

All three read the same topic in the same run. The bare consumer calls `consume` and drops what it
gets: nothing that reads Kafka from Python can be faster. Spark parses the JSON and writes Delta,
partitioned by date; it neither validates nor removes duplicates.

    make bench NAME=extraction                          5 M events, as the claims want it
    make bench NAME=extraction ARGS="--events 500000"   a small one
    make bench NAME=extraction ARGS="--grow 4"          memory, at four times as many events
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, date, datetime
from pathlib import Path
from statistics import median
from typing import Any

from claims import Claim, note
from confluent_kafka import Consumer, TopicPartition

from movie_recommender import extract
from movie_recommender import kafka as plumbing
from movie_recommender.local.single_broker import SingleBroker
from movie_recommender.settings import Settings, load_settings
from movie_recommender.simulation.generate import generate_all

HERE = Path(__file__).parent
JARS = HERE.parent / "var" / "cache" / "kafka"
DAY = date(2026, 6, 1)
NOW = datetime(2026, 6, 2, 2, tzinfo=UTC)
EVENTS_PER_USER = 168
"""Interactions of a simulated user in 31 days, about."""
ROUNDS = 3

Measured = dict[str, float]


def main() -> None:
    """Measure and print the claims."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=5_000_000)
    parser.add_argument("--grow", type=int, default=1, help="also measure memory at GROW times")
    parser.add_argument("--no-spark", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="extraction-") as name:
        directory = Path(name)
        with SingleBroker(JARS, directory / "kafka") as broker:
            _measure(options, broker.servers, directory)


def _measure(options: argparse.Namespace, servers: str, directory: Path) -> None:
    small = _fill(servers, "small.", options.events)
    bare, ours = [], []
    for number in range(ROUNDS):
        bare.append(_part("bare", small, directory))
        ours.append(_part("ours", small, directory / f"lake-{number}"))
    _say_speed(ours, bare, "confluent-kafka, consume and drop", 0.45)
    if not options.no_spark:
        _say_speed(ours, [_spark(small, directory)], "Spark 4.1.1 Structured Streaming", 4)
    rss = max(run["rss_mb"] for run in ours)
    events = f"{ours[0]['messages']:,.0f} events"
    Claim("resident memory of an extraction", rss, "MB", "limit", 700, 1, True, events).say()
    if options.grow > 1:
        large = _fill(servers, "large.", options.events * options.grow)
        grown = _part("ours", large, directory / "lake-large")
        conditions = f"{grown['messages']:,.0f} events against {events}"
        Claim("growth of memory", grown["rss_mb"], "MB", "ours", rss, 1.1, True, conditions).say()


def _say_speed(ours: list[Measured], others: list[Measured], peer: str, goal: float) -> None:
    rates = [[run["messages"] / run["seconds"] for run in runs] for runs in (ours, others)]
    conditions = (
        f"{ours[0]['messages']:,.0f} events; medians of {len(ours)} and {len(others)} runs; "
        f"all: {', '.join(f'{rate:,.0f}' for rate in rates[0])} and "
        f"{', '.join(f'{rate:,.0f}' for rate in rates[1])}"
    )
    values = [round(median(rate)) for rate in rates]
    Claim(
        "extraction speed", values[0], "events/s", peer, values[1], goal, conditions=conditions
    ).say()


def _fill(servers: str, prefix: str, n_events: int) -> dict[str, str]:
    """The environment of a world of about `n_events` interactions that has been sent."""
    environment = {"KAFKA_BOOTSTRAP_SERVERS": servers, "KAFKA_TOPIC_PREFIX": prefix}
    users = max(100, n_events // EVENTS_PER_USER)
    settings = load_settings(
        kafka_bootstrap_servers=servers, kafka_topic_prefix=prefix, simulation_users=users
    )
    note(f"sending the events of {users:,} users")
    started = time.perf_counter()
    sent = generate_all(settings, DAY, history_days=30, on_step=lambda _: None)
    note(f"  {sent.messages} in {time.perf_counter() - started:.0f} s")
    return environment


def _part(name: str, environment: dict[str, str], lake: Path) -> Measured:
    """Run this file's part `name` in a process of its own."""
    command = [sys.executable, __file__, "--part", name]
    return _json(command, {**environment, "DATA_LAKE_PATH": str(lake)})


def _spark(environment: dict[str, str], directory: Path) -> Measured:
    """Spark's turn, in a virtual environment of its own."""
    sys.path.insert(0, str(HERE / "spark"))
    import install

    python, jars = install.install(HERE.parent / "var" / "cache" / "spark")
    topic = f"{environment['KAFKA_TOPIC_PREFIX']}interactions"
    command = [python, HERE / "spark" / "stream.py", jars]
    return _json([*command, environment["KAFKA_BOOTSTRAP_SERVERS"], topic, directory / "spark"], {})


def _json(command: list[Any], environment: dict[str, str]) -> Measured:
    done = subprocess.run(
        [str(part) for part in command],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    measured: Measured = json.loads(done.stdout.splitlines()[-1])
    note(f"  {Path(command[1]).stem} {command[-1]}: {measured}")
    return measured


def _bare(settings: Settings) -> Measured:
    topic = plumbing.topic_name(settings, "interactions")
    consumer = Consumer(
        plumbing.client_config(settings, group_id="bare", auto_offset_reset="error")
    )
    places = [TopicPartition(topic, p, 0) for p in range(plumbing.partitions(settings)[topic])]
    n = sum(consumer.get_watermark_offsets(place)[1] for place in places)
    consumer.assign(places)
    left, started = n, time.perf_counter()
    while left:
        left -= len(consumer.consume(500, timeout=1))
    return {"messages": n, "seconds": time.perf_counter() - started}


def _ours(settings: Settings) -> Measured:
    started = time.perf_counter()
    result = extract.run(settings, now=NOW)
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"messages": result.messages, "seconds": seconds, "rss_mb": round(peak)}


if __name__ == "__main__":
    if sys.argv[1:2] == ["--part"]:
        part = {"bare": _bare, "ours": _ours}[sys.argv[2]]
        sys.stdout.write(json.dumps(part(load_settings())) + "\n")
    else:
        main()
