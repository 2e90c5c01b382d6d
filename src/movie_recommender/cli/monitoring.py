"""`movie-recommender status` and `exporter`: how the whole pipeline is, for people and machines."""

import logging
import signal
import threading
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console

from movie_recommender.cli.shared import now, print_json
from movie_recommender.settings import load_settings


def status(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="The same for programs.")] = False,
) -> None:
    """Show lake, Kafka, features, models, serving and the last run; exit code 1: needs care."""
    from movie_recommender.monitoring import Monitor, needs_care
    from movie_recommender.monitoring.screen import show

    logging.getLogger("httpx").setLevel(logging.WARNING)  # a line for each question
    settings = load_settings()
    facts = Monitor(settings).look(now())
    care = needs_care(facts, settings)
    if as_json:
        told = {"well": not care, "care": [asdict(each) for each in care], **facts.as_json()}
        print_json(told)
    else:
        show(facts, care, Console())
    if care:
        raise typer.Exit(1)


def exporter() -> None:
    """Tell Prometheus the same, at EXPORTER_HOST and EXPORTER_PORT, until SIGTERM or Ctrl-C."""
    from movie_recommender.monitoring.exporter import serve

    logging.getLogger("httpx").setLevel(logging.WARNING)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    serve(load_settings(), clock=now, stop=stop)
