"""The simulator into a real broker: events a second, and memory as the world grows.

A run sends a month of history with the default dirt; the time counts from its start until the
broker has confirmed the last message. The peer is what a Python producer usually does with the same
events: `json.dumps` and `produce`, one event at a time.

    make bench NAME=simulator                       5 M events, and memory at 20 M
    make bench NAME=simulator ARGS="--grow 20"      memory at 100 M
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path
from statistics import median
from typing import Any

from claims import Claim, note
from confluent_kafka import Producer

from movie_recommender import events
from movie_recommender import kafka as plumbing
from movie_recommender.local.single_broker import SingleBroker
from movie_recommender.settings import Settings, load_settings
from movie_recommender.simulation import interactions_of_day
from movie_recommender.simulation.generate import generate_all, world_of
from movie_recommender.simulation.parquet import write_world
from movie_recommender.simulation.world import sizes_for

HERE = Path(__file__).parent
JARS = HERE.parent / "var" / "cache" / "kafka"
DAY = date(2026, 6, 1)
HISTORY_DAYS = 30
ROUNDS = 3
GOAL = 200_000
"""Events a second."""

Measured = dict[str, float]


def main() -> None:
    """Measure and print the claims."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=5_000_000)
    parser.add_argument("--grow", type=int, default=4, help="memory at GROW times as many events")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="simulator-") as name:
        directory = Path(name)
        with SingleBroker(JARS, directory / "kafka") as broker:
            rounds = [
                (
                    _part("kafka", options.events, f"{broker.servers} ours{number}."),
                    _part("loop", options.events, f"{broker.servers} loop{number}."),
                )
                for number in range(ROUNDS)
            ]
        ours, loop = zip(*rounds, strict=True)
        rates = [median(run["events"] / run["seconds"] for run in runs) for runs in (ours, loop)]
        every = ", ".join(f"{run['events'] / run['seconds']:,.0f}" for run in ours)
        conditions = f"{ours[0]['events']:,.0f} events; medians of {ROUNDS}; ours: {every}"
        speed = "simulator into Kafka"
        Claim(speed, round(rates[0]), "events/s", "limit", GOAL, 1, conditions=conditions).say()
        peer = "json.dumps and produce, one event at a time"
        Claim(speed, round(rates[0]), "events/s", peer, round(rates[1]), 1, False, conditions).say()
        small = _part("parquet", options.events, str(directory / "small"))
        large = _part("parquet", options.events * options.grow, str(directory / "large"))
        conditions = (
            f"{large['events']:,.0f} events into Parquet, a day's merge in mapped files included; "
            f"{small['rss_mb']} MB with {small['events']:,.0f}"
        )
        Claim(
            "resident memory of the simulator",
            large["rss_mb"],
            "MB",
            "limit",
            1000,
            1,
            True,
            conditions,
        ).say()


def _part(name: str, n_events: int, where: str) -> Measured:
    """Run this file's part `name` in a process of its own."""
    command = [sys.executable, __file__, "--part", name, str(n_events), where]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    measured: Measured = json.loads(done.stdout.splitlines()[-1])
    note(f"  {name} {n_events:,}: {measured}")
    return measured


def _settings(n_events: int, **others: Any) -> Settings:
    users, movies = sizes_for(n_events, HISTORY_DAYS + 1)
    return load_settings(simulation_users=users, simulation_movies=movies, **others)


def _kafka(n_events: int, where: str) -> int:
    servers, prefix = where.split()
    settings = _settings(n_events, kafka_bootstrap_servers=servers, kafka_topic_prefix=prefix)
    sent = generate_all(settings, DAY, history_days=HISTORY_DAYS, on_step=lambda _: None)
    return sum(sent.messages.values())


def _loop(n_events: int, where: str) -> int:
    servers, prefix = where.split()
    settings = _settings(n_events, kafka_bootstrap_servers=servers, kafka_topic_prefix=prefix)
    plumbing.ensure_topics(settings, {"interactions": events.PARTITIONS})
    config = plumbing.client_config(settings, enable_idempotence=True, compression_type="lz4")
    producer, topic = Producer(config), plumbing.topic_name(settings, "interactions")
    n = 0
    for block in interactions_of_day(world_of(settings), DAY):
        for event in block.to_pylist():
            event["event_time"] = event["event_time"].isoformat()
            known = {name: value for name, value in event.items() if value is not None}
            producer.produce(topic, json.dumps(known), str(event["user_id"]))
            producer.poll(0)
            n += 1
    producer.flush()
    return n


def _parquet(n_events: int, where: str) -> int:
    world = world_of(_settings(n_events))
    sent = write_world(world, Path(where), DAY, history_days=HISTORY_DAYS, on_step=lambda _: None)
    return sum(sent.messages.values())


def _run_part(name: str, n_events: int, where: str) -> Measured:
    started = time.perf_counter()
    n = {"kafka": _kafka, "loop": _loop, "parquet": _parquet}[name](n_events, where)
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"events": n, "seconds": round(seconds, 2), "rss_mb": round(peak)}


if __name__ == "__main__":
    if sys.argv[1:2] == ["--part"]:
        part, n_events, where = sys.argv[2:]
        sys.stdout.write(json.dumps(_run_part(part, int(n_events), where)) + "\n")
    else:
        main()
