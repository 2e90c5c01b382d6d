"""`movie-recommender serve`: answer requests until it is stopped."""

import logging

from movie_recommender.cli.shared import now
from movie_recommender.settings import load_settings


def serve() -> None:
    """Answer requests at SERVING_HOST and SERVING_PORT until SIGTERM or Ctrl-C."""
    from movie_recommender.serving.server import serve as run

    logging.getLogger("httpx").setLevel(logging.WARNING)  # a line for each look at MLflow
    run(load_settings(), clock=now)
