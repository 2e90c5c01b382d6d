"""The simulator's command line.

Exit codes: 0 done; 1 failed, a retry may help; 2 a setting, an argument or an input is wrong. Never
99, which Airflow would show as skipped.
"""

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
from pydantic import TypeAdapter, ValidationError
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from movie_recommender.errors import ConfigurationError, InputDataError, MovieRecommenderError
from movie_recommender.settings import Settings, load_settings
from movie_recommender.simulation.generate import (
    OnStep,
    Sent,
    Step,
    generate_all,
    generate_entities,
)
from movie_recommender.simulation.replay import replay

logger = logging.getLogger(__name__)

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Send simulated events, or MovieLens ratings, to Kafka.",
)

_FIRST_DAY = date(2000, 1, 1)
"""The longest history, and MovieLens' thirty years, then begin after 1970, as extraction asks."""


def _parse_day(text: str) -> date:
    message = f"{text!r}: expected a day as YYYY-MM-DD, from {_FIRST_DAY} on"
    try:
        day = datetime.strptime(text, "%Y-%m-%d").date()
    except ValueError as error:
        raise typer.BadParameter(message) from error
    if day < _FIRST_DAY:
        raise typer.BadParameter(message)
    return day


def _parser(field: str) -> Callable[[str], int]:
    """What reads an option that stands for the setting `field`, within that setting's bounds."""
    bounds = Settings.model_fields[field].metadata
    adapter: TypeAdapter[int] = TypeAdapter(Annotated[int, *bounds])

    def parse(text: str) -> int:
        try:
            return adapter.validate_python(text)
        except ValidationError as error:
            message = f"{text!r}: {error.errors()[0]['msg']}"
            raise typer.BadParameter(message) from error

    return parse


Day = Annotated[
    date | None,
    typer.Option(
        "--date",
        parser=_parse_day,
        metavar="YYYY-MM-DD",
        help="Newest day (UTC) to send; yesterday by default.",
    ),
]
Seed = Annotated[
    int | None,
    typer.Option(
        parser=_parser("simulation_seed"), metavar="INTEGER", help="SIMULATION_SEED by default."
    ),
]
Users = Annotated[
    int | None,
    typer.Option(
        parser=_parser("simulation_users"), metavar="INTEGER", help="SIMULATION_USERS by default."
    ),
]
Movies = Annotated[
    int | None,
    typer.Option(
        parser=_parser("simulation_movies"), metavar="INTEGER", help="SIMULATION_MOVIES by default."
    ),
]
HistoryDays = Annotated[
    int | None,
    typer.Option(
        parser=_parser("simulation_history_days"),
        metavar="INTEGER",
        help="Days of history that a first run sends; SIMULATION_HISTORY_DAYS by default.",
    ),
]
DirtRates = Annotated[
    str | None,
    typer.Option(
        "--dirt",
        metavar="RATES",
        help="default, none or NAME=RATE,… with names of duplicates, late, out_of_order, "
        "malformed, invalid_utf8, wrong_type, huge, future, unknown_ids; "
        "SIMULATION_DIRT by default.",
    ),
]


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
    history_days: HistoryDays = None,
    dirt: DirtRates = None,
) -> None:
    """Send a day's interactions; on a world's first run also users, movies and its history."""
    _generate(_settings(seed, users, movies, history_days, dirt), _day(day))


@app.command("generate-users")
def users_(
    *,
    day: Day = None,
    seed: Seed = None,
    users: Users = None,
    movies: Movies = None,
    history_days: HistoryDays = None,
) -> None:
    """Send every user; they are the same on every date."""
    _entities(_settings(seed, users, movies, history_days), "users", day)


@app.command("generate-movies")
def movies_(
    *,
    day: Day = None,
    seed: Seed = None,
    users: Users = None,
    movies: Movies = None,
    history_days: HistoryDays = None,
) -> None:
    """Send every movie; they are the same on every date."""
    _entities(_settings(seed, users, movies, history_days), "movies", day)


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


def _entities(settings: Settings, topic: str, day: date | None) -> None:
    logger.info("topic=%s date=%s", topic, _day(day))
    with _steps() as on_step:
        sent = generate_entities(settings, topic, on_step=on_step)
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
