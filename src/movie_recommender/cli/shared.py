"""What the commands share: the day they are about, and how they print."""

import json
import sys
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

AsOf = Annotated[
    datetime | None,
    typer.Option(
        formats=["%Y-%m-%d"], help="Midnight UTC at the start of this day; today by default."
    ),
]


def now() -> datetime:
    """The clock, which no room reads."""
    return datetime.now(UTC)


def midnight(day: datetime | None) -> datetime:
    """Start of `day`, of today if none is given: the instant of that day's run."""
    chosen = day or now()
    return datetime(chosen.year, chosen.month, chosen.day, tzinfo=UTC)


def print_json(value: Any) -> None:
    """Print a result."""
    typer.echo(json.dumps(value, indent=2, default=str))


def print_table(table: Table) -> None:
    """Print a table; into a pipe, which has no width of its own, with whole lines."""
    Console(width=None if sys.stdout.isatty() else 250).print(table)
