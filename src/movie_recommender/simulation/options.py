"""The options of the simulator's command line, each with what it may be."""

from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Literal

import typer
from pydantic import TypeAdapter, ValidationError

from movie_recommender.settings import Settings

FIRST_DAY = date(2000, 1, 1)
"""The longest history, and MovieLens' thirty years, then begin after 1970, as extraction asks."""


def _parse_day(text: str) -> date:
    message = f"{text!r}: expected a day as YYYY-MM-DD, from {FIRST_DAY} on"
    try:
        day = datetime.strptime(text, "%Y-%m-%d").date()
    except ValueError as error:
        raise typer.BadParameter(message) from error
    if day < FIRST_DAY:
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
_SUFFIXES = {"k": 1_000, "M": 1_000_000}
_MOST_INTERACTIONS = 1_000_000_000


def _parse_scale(text: str) -> int:
    digits, unit = (text[:-1], text[-1]) if text[-1:] in _SUFFIXES else (text, "")
    try:
        n = round(float(digits) * _SUFFIXES.get(unit, 1))
    except (ValueError, OverflowError):
        n = 0
    if not 0 < n <= _MOST_INTERACTIONS:
        message = f"{text!r}: expected a number of interactions as 20M, 500k or 1e6, up to 1000M"
        raise typer.BadParameter(message)
    return n


Scale = Annotated[
    int | None,
    typer.Option(
        "--scale",
        parser=_parse_scale,
        metavar="NUMBER",
        help="About so many interactions in all, as 20M: instead of --users and --movies.",
    ),
]
SinkName = Annotated[
    Literal["kafka", "parquet"],
    typer.Option("--sink", help="Where to: Kafka, or Parquet files (without dirt) in --out."),
]
Out = Annotated[
    Path | None, typer.Option("--out", help="Folder for --sink parquet.", file_okay=False)
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
