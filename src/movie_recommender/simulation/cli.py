"""The simulator's command line.

Exit codes: 0 done; 1 failed, a retry may help; 2 a setting, an argument or an input is wrong. Never
99, which Airflow would show as skipped.
"""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from movie_recommender.errors import ConfigurationError, InputDataError, MovieRecommenderError
from movie_recommender.settings import Settings, load_settings
from movie_recommender.simulation.generate import (
    OnStep,
    Sent,
    Step,
    generate_all,
    generate_entities,
    world_of,
)
from movie_recommender.simulation.options import (
    Day,
    DirtRates,
    HistoryDays,
    Movies,
    Out,
    Scale,
    Seed,
    SinkName,
    Users,
)
from movie_recommender.simulation.parquet import write_world
from movie_recommender.simulation.replay import replay
from movie_recommender.simulation.truth import oracle_ranking, truth, write_truth
from movie_recommender.simulation.world import sizes_for

logger = logging.getLogger(__name__)

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Send simulated events, or MovieLens ratings, to Kafka.",
)


def main() -> None:
    """Run the command line; turns the package's errors into one message and an exit code."""
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s"
    )
    try:
        app()
    except MovieRecommenderError as error:
        typer.echo(f"error: {error}", err=True)
        wrong_input = isinstance(error, ConfigurationError | InputDataError)
        raise SystemExit(2 if wrong_input else 1) from error


@app.command("generate-all")
def all_(
    *,
    day: Day = None,
    seed: Seed = None,
    users: Users = None,
    movies: Movies = None,
    scale: Scale = None,
    history_days: HistoryDays = None,
    dirt: DirtRates = None,
    sink: SinkName = "kafka",
    out: Out = None,
) -> None:
    """Send a day's interactions; on a world's first run also users, movies and its history."""
    settings = _settings(seed, users, movies, history_days, dirt)
    if scale is not None:
        settings = _scaled(settings, scale, users, movies)
    if sink == "parquet":
        _write(settings, out, _day(day), dirt)
    elif out is not None:
        message = "belongs to --sink parquet"
        raise typer.BadParameter(message, param_hint="--out")
    else:
        _generate(settings, _day(day))


@app.command("generate-users")
def users_(
    *,
    day: Day = None,
    seed: Seed = None,
    users: Users = None,
    movies: Movies = None,
    history_days: HistoryDays = None,
) -> None:
    """Send every user who is there on the date."""
    _entities(_settings(seed, users, movies, history_days), "users", _day(day))


@app.command("generate-movies")
def movies_(
    *,
    day: Day = None,
    seed: Seed = None,
    users: Users = None,
    movies: Movies = None,
    history_days: HistoryDays = None,
) -> None:
    """Send every movie that is there on the date."""
    _entities(_settings(seed, users, movies, history_days), "movies", _day(day))


@app.command("generate-interactions")
def interactions(
    *,
    day: Day = None,
    seed: Seed = None,
    users: Users = None,
    movies: Movies = None,
    history_days: HistoryDays = None,
    dirt: DirtRates = None,
) -> None:
    """Send a day's interactions, on a world's first run also its history's."""
    _generate(_settings(seed, users, movies, history_days, dirt), _day(day), entities=False)


@app.command("replay-movielens")
def movielens(
    directory: Annotated[Path, typer.Argument(help="Folder of ratings.csv or ratings.dat.")],
    *,
    day: Day = None,
) -> None:
    """Send a MovieLens data set, moved by whole days so that it ends on the date."""
    _replay(load_settings(), directory, _day(day))


@app.command("truth")
def truth_(
    out: Annotated[Path, typer.Option(help="Folder for users.parquet and movies.parquet.")],
    *,
    day: Day = None,
    seed: Seed = None,
    users: Users = None,
    movies: Movies = None,
    user: Annotated[int | None, typer.Option(help="Also print this user's best movies.")] = None,
    k: Annotated[int, typer.Option(min=1, help="How many of them.")] = 10,
) -> None:
    """Write what the world knows and a model must find out: who would like what on the date."""
    settings = _settings(seed, users, movies, None)
    world = world_of(settings)
    known = truth(world, _day(day))
    logger.info("truth users=%s movies=%s", *write_truth(known, out))
    if user is not None:
        for best in oracle_ranking(known, user, k).to_pylist():
            typer.echo(f"{best['rank']:>4}  movie {best['movie_id']:<12} {best['affinity']:.3f}")


@app.command()
def daily(*, day: Day = None) -> None:
    """Send what DATA_SOURCE says: the synthetic world, MovieLens, or nothing."""
    settings = load_settings()
    if settings.data_source == "none":
        logger.info("daily=nothing_to_send reason=DATA_SOURCE=none")
    elif settings.data_source == "synthetic":
        _generate(settings, _day(day))
    elif settings.movielens_path is None:
        message = (
            "DATA_SOURCE=movielens but MOVIELENS_PATH is empty; expected the folder that holds "
            "ratings.csv or ratings.dat. Set MOVIELENS_PATH and run again."
        )
        raise ConfigurationError(message)
    else:
        _replay(settings, settings.movielens_path, _day(day))


def _generate(settings: Settings, day: date, *, entities: bool = True) -> None:
    with _steps() as on_step:
        sent = generate_all(
            settings,
            day,
            history_days=settings.simulation_history_days,
            on_step=on_step,
            entities=entities,
        )
    _report(sent)


def _write(settings: Settings, out: Path | None, day: date, dirt: str | None) -> None:
    if out is None or dirt not in (None, "none"):
        message = "--sink parquet needs --out, and has no dirt: what is written has happened"
        raise typer.BadParameter(message)
    with _steps() as on_step:
        written = write_world(
            world_of(settings),
            out,
            day,
            history_days=settings.simulation_history_days,
            on_step=on_step,
        )
    _report(written)


def _scaled(settings: Settings, scale: int, users: int | None, movies: int | None) -> Settings:
    if users is not None or movies is not None:
        message = "stands for --users and --movies; give it or them"
        raise typer.BadParameter(message, param_hint="--scale")
    n_users, n_movies = sizes_for(scale, settings.simulation_history_days + 1)
    logger.info("scale=%d users=%d movies=%d", scale, n_users, n_movies)
    return settings.model_copy(update={"simulation_users": n_users, "simulation_movies": n_movies})


def _entities(settings: Settings, topic: str, day: date) -> None:
    logger.info("topic=%s date=%s", topic, day)
    with _steps() as on_step:
        sent = generate_entities(settings, topic, day, on_step=on_step)
    _report(sent)


def _replay(settings: Settings, directory: Path, day: date) -> None:
    with _steps() as on_step:
        sent = replay(settings, directory, day, on_step=on_step)
    _report(sent)


def _report(sent: Sent) -> None:
    counts = " ".join(f"{name}={n}" for name, n in {**sent.messages, **sent.dirt}.items())
    logger.info(
        "done %s first_date=%s last_date=%s", counts or "sent=0", sent.first_date, sent.last_date
    )


def _settings(
    seed: int | None,
    users: int | None,
    movies: int | None,
    history_days: int | None,
    dirt: str | None = None,
) -> Settings:
    options = {
        "simulation_seed": seed,
        "simulation_users": users,
        "simulation_movies": movies,
        "simulation_history_days": history_days,
        "simulation_dirt": dirt,
    }
    return load_settings(**{name: value for name, value in options.items() if value is not None})


def _day(day: date | None) -> date:
    """`day`, or the last complete UTC day."""
    return day or datetime.now(UTC).date() - timedelta(days=1)


@contextmanager
def _steps() -> Iterator[OnStep]:
    """What to call after each step: moves a bar on a terminal, else logs a line."""
    if not sys.stdout.isatty():
        yield _log_step
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns) as bar:
        task = bar.add_task("starting", total=None)
        yield lambda step: bar.update(
            task, description=step.name, completed=step.number, total=step.total
        )


def _log_step(step: Step) -> None:
    logger.info(
        "sent=%s messages=%d step=%d/%d",
        step.name.replace(" ", "_"),
        step.messages,
        step.number,
        step.total,
    )
