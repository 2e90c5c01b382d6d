"""`movie-recommender settings`: what is in effect, and where it comes from."""

from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from movie_recommender.cli.shared import print_json, print_table
from movie_recommender.orchestration import outside
from movie_recommender.orchestration.outside import Airflow
from movie_recommender.settings import Settings, describe, load_settings

WithAirflow = Annotated[
    bool,
    typer.Option(
        "--airflow/--no-airflow",
        help="Also read Airflow's Variables and Connections, where Airflow is set up.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="For programs.")]


def settings(*, as_json: AsJson = False, airflow: WithAirflow = True) -> None:
    """Show every setting in effect, where it comes from and what it means; secrets hidden."""
    found = outside.look() if airflow else Airflow(missing="--no-airflow was given")
    values = load_settings(*found.layers)
    if as_json:
        print_json(_rows(values))
    else:
        print_table(_table(values))
    if found.missing is not None:
        typer.echo(
            f"Airflow's Variables and Connections aren't among them: {found.missing}.", err=True
        )
    for problem in found.problems:
        typer.echo(f"error: {problem}", err=True)
    if found.problems:
        raise typer.Exit(2)


def _rows(values: Settings) -> dict[str, dict[str, str]]:
    shown = describe(values)
    return {
        name.upper(): {
            "value": shown[name.upper()],
            "source": values.source(name),
            "meaning": " ".join((field.description or "").split()),
        }
        for name, field in Settings.model_fields.items()
    }


def _table(values: Settings) -> Table:
    table = Table("setting", "value", "from", "meaning", box=None, pad_edge=False)
    for name, row in _rows(values).items():
        style = None if row["source"] == "default" else "bold"
        # As text: brackets, of an IPv6 address or a list, would be taken for markup.
        table.add_row(name, *(Text(row[part]) for part in row), style=style)
    return table
