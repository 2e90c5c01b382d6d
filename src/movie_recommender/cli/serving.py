"""`movie-recommender serve`, and the commands about what it ranks by and what it would answer."""

import logging
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from movie_recommender.cli.shared import now, print_json
from movie_recommender.settings import load_settings


def serve() -> None:
    """Answer requests at SERVING_HOST and SERVING_PORT until SIGTERM or Ctrl-C."""
    from movie_recommender.serving.server import serve as run

    logging.getLogger("httpx").setLevel(logging.WARNING)  # a line for each look at MLflow
    run(load_settings(), clock=now)


def recommend_all(
    output: Annotated[Path, typer.Argument(help="Parquet file; it is replaced at once.")],
    k: Annotated[int, typer.Option(help="Movies of a list.")] = 100,
) -> None:
    """Write the production model's list for every known user to a file."""
    from movie_recommender.serving.batch import recommend_all as run

    print_json(asdict(run(load_settings(), output, k=k)))


def shadow(
    version: Annotated[int | None, typer.Argument(help="Model version; none: nobody.")] = None,
) -> None:
    """Have a version rank beside production without being shown, or nobody."""
    from movie_recommender.registry import set_shadow

    before = set_shadow(load_settings(), version=version)
    print_json({"shadow": version, "before": before})
