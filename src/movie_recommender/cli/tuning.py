"""`movie-recommender tune`: look for better constants of the training."""

import logging
from dataclasses import asdict
from typing import Annotated

import typer

from movie_recommender.cli.shared import AsOf, midnight, print_json
from movie_recommender.settings import load_settings


def tune(
    *,
    as_of: AsOf = None,
    trials: Annotated[
        int, typer.Option(min=1, help="How many the search shall have, with those of other calls.")
    ] = 30,
    timeout_s: Annotated[
        float | None, typer.Option(min=0, help="Begin no trial after so many seconds.")
    ] = None,
    restart: Annotated[
        bool, typer.Option("--restart", help="Forget the trials of other calls.")
    ] = False,
) -> None:
    """Look for better constants of the training; a second call goes on where one stopped."""
    from movie_recommender import training

    # A line a trial is what one wants to see, not one an epoch of each.
    logging.getLogger("movie_recommender.training.contest").setLevel(logging.WARNING)

    def show(trial: training.Tried) -> None:
        reached = "" if trial.value is None else f" full_ndcg_at_10={trial.value:.4f}"
        constants = " ".join(f"{name}={value}" for name, value in trial.constants.items())
        line = f"trial {trial.number} {trial.state}{reached} in {trial.seconds} s: {constants}"
        typer.echo(line, err=True)

    found = training.tune(
        load_settings(),
        as_of=midnight(as_of),
        trials=trials,
        timeout_s=timeout_s,
        restart=restart,
        on_trial=show,
    )
    print_json(asdict(found))
