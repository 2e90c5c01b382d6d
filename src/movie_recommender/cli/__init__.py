"""`movie-recommender`: every step and every operation by hand.

Each command builds the settings from the environment, calls one function of a room and prints its
result as JSON. Exit code 0: done; 1: failed, a retry may help; 2: a setting, an argument or an
input is wrong.
"""

import logging
import sys
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from movie_recommender import __version__
from movie_recommender.cli.configuration import settings
from movie_recommender.cli.examination import doctor
from movie_recommender.cli.feature_store import app as features
from movie_recommender.cli.feature_store import backfill
from movie_recommender.cli.monitoring import exporter, status
from movie_recommender.cli.serving import recommend_all, serve, shadow
from movie_recommender.cli.shared import AsOf, midnight, now, print_json
from movie_recommender.cli.tuning import tune
from movie_recommender.errors import ConfigurationError, InputDataError, MovieRecommenderError
from movie_recommender.settings import load_settings

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


def main() -> None:
    """Run the command line; turns the package's errors into one message and an exit code."""
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s"
    )
    try:
        app()
    except OSError as error:  # a full disk, a directory without rights
        typer.echo(f"error: {error}. Free space or grant access, then run again.", err=True)
        raise SystemExit(1) from error
    except MovieRecommenderError as error:
        typer.echo(f"error: {error}", err=True)
        wrong_input = isinstance(error, ConfigurationError | InputDataError)
        raise SystemExit(2 if wrong_input else 1) from error


app.command()(settings)
app.command()(doctor)


@app.command()
def extract(
    *,
    accept_data_loss: Annotated[
        bool, typer.Option(help="Go on past offsets that Kafka has deleted; the gap is reported.")
    ] = False,
) -> None:
    """Move new events from Kafka into the data lake."""
    from movie_recommender.extract import run

    print_json(asdict(run(load_settings(), now=now(), accept_data_loss=accept_data_loss)))


dead_letters = typer.Typer(no_args_is_help=True, help="Look at rejected messages; judge again.")
app.add_typer(dead_letters, name="dead-letters")

Topic = Annotated[str | None, typer.Option(help="Only of this topic: users, movies, interactions.")]
Reason = Annotated[str | None, typer.Option(help="Only with this reason, as `list` shows it.")]


@dead_letters.command("list")
def list_dead_letters(
    *,
    topic: Topic = None,
    reason: Reason = None,
    since: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Only extracted since this day.")
    ] = None,
    limit: Annotated[int, typer.Option(min=0, help="How many of the newest to show.")] = 20,
) -> None:
    """Count the rejected messages by reason and show the newest."""
    from movie_recommender.extract.dead_letters import listing

    day = since and since.date()
    found = listing(load_settings(), topic=topic, reason=reason, since=day, limit=limit)
    print_json(asdict(found))


@dead_letters.command("show")
def show_dead_letter(topic: str, partition: int, offset: int) -> None:
    """Show one rejected message whole."""
    from movie_recommender.extract.dead_letters import show

    print_json(show(load_settings(), topic, partition, offset))


@dead_letters.command("replay")
def replay_dead_letters(*, topic: Topic = None, reason: Reason = None) -> None:
    """Judge rejected messages again; the valid ones land in the lake, each event once."""
    from movie_recommender.extract.dead_letters import replay

    print_json(asdict(replay(load_settings(), now=now(), topic=topic, reason=reason)))


lake = typer.Typer(no_args_is_help=True, help="Care for the data lake.")
app.add_typer(lake, name="lake")


@lake.command("maintain")
def maintain_lake(
    *,
    budget: Annotated[
        float, typer.Option(min=0, help="Begin nothing new after so many seconds.")
    ] = 3600,
) -> None:
    """Rewrite days that lie in many small files; delete files that no version needs."""
    from movie_recommender.extract.maintain import maintain

    print_json(asdict(maintain(load_settings(), budget_s=budget)))


@lake.command("rebuild")
def rebuild_lake(
    *,
    from_beginning: Annotated[
        bool,
        typer.Option("--from-beginning", help="Required: from the oldest message that Kafka has."),
    ] = False,
) -> None:
    """Make the tables again from Kafka's messages; rows that Kafka can't give again stay."""
    from movie_recommender.extract.rebuild import rebuild

    if not from_beginning:
        message = "Say --from-beginning: every message that Kafka still holds is judged again."
        raise typer.BadParameter(message)
    print_json(asdict(rebuild(load_settings(), now=now())))


app.add_typer(features, name="features")
app.command()(backfill)


@app.command()
def train(*, as_of: AsOf = None) -> None:
    """Train a candidate at once and register it."""
    from movie_recommender.training import run

    instant = midnight(as_of)
    result = run(
        load_settings(),
        as_of=instant,
        run_date=instant.date(),
        force=True,
        request_id=now().isoformat(),
    )
    print_json(asdict(result))


app.command()(tune)


@app.command()
def evaluate(
    *,
    as_of: AsOf = None,
    version: Annotated[int | None, typer.Option(help="Newest candidate by default.")] = None,
) -> None:
    """Judge a model version on the newest window and show the gate's verdict."""
    from movie_recommender.evaluation import run
    from movie_recommender.registry import Registry

    values = load_settings()
    chosen = Registry(values).candidate().version if version is None else version
    print_json(asdict(run(values, as_of=midnight(as_of), version=chosen)))


@app.command()
def compare(
    *,
    as_of: AsOf = None,
    version: Annotated[int | None, typer.Option(help="Newest candidate by default.")] = None,
    truth: Annotated[
        Path | None, typer.Option(help="Folder of `sim/generate.py truth`: adds the oracle.")
    ] = None,
) -> None:
    """Put a model version beside item-kNN, popularity, chance and the oracle."""
    from rich.console import Console
    from rich.markdown import Markdown

    from movie_recommender import evaluation
    from movie_recommender.evaluation.report import ranker_table

    result = evaluation.compare(
        load_settings(), as_of=midnight(as_of), version=version, truth=truth
    )
    print_json(asdict(result))
    if sys.stdout.isatty():
        Console(stderr=True).print(Markdown(ranker_table(result.rankers)))


@app.command()
def promote(version: Annotated[int, typer.Argument(help="Model version.")]) -> None:
    """Put a model version into production."""
    from movie_recommender import registry

    print_json(asdict(registry.promote(load_settings(), version=version, by_hand=True)))


@app.command()
def rollback() -> None:
    """Put the previous production model back."""
    from movie_recommender import registry

    print_json(asdict(registry.rollback(load_settings())))


app.command()(serve)
app.command()(recommend_all)
app.command()(shadow)
app.command()(status)
app.command()(exporter)


@app.command()
def models() -> None:
    """List the model's versions, newest first."""
    from movie_recommender.registry import Registry

    print_json([asdict(version) for version in Registry(load_settings()).versions()])


@app.command()
def version() -> None:
    """Show the package's version."""
    typer.echo(__version__)
