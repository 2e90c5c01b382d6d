"""`python -m movie_recommender.local run | stop`."""

import os
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from movie_recommender.errors import ConfigurationError, InputDataError, MovieRecommenderError
from movie_recommender.local.airflow_server import direct
from movie_recommender.local.run import Options
from movie_recommender.local.run import run as run_once
from movie_recommender.local.stack import Stack
from movie_recommender.settings import load_settings

REPOSITORY = Path(__file__).parents[3]

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)

Var = Annotated[Path, typer.Option(help="Where the servers keep everything.", metavar="DIR")]
Count = Annotated[int | None, typer.Option(min=0)]


@app.command()
def run(
    *,
    movielens: Annotated[
        Path | None, typer.Option(help="Replay this MovieLens folder.", metavar="DIR")
    ] = None,
    users: Count = None,
    movies: Count = None,
    history_days: Count = None,
    seed: Count = None,
    force_train: Annotated[bool, typer.Option(help="Train whatever the day.")] = False,
    once: Annotated[bool, typer.Option(help="Stop everything at the end.")] = False,
    timeout: Annotated[float, typer.Option(help="Longest run in minutes.", min=0.1)] = 60.0,
    var: Var = Path("var"),
) -> None:
    """Start what isn't there, run the pipeline once, show and keep what it did."""
    sizes = {
        "simulation_users": users,
        "simulation_movies": movies,
        "simulation_history_days": history_days,
        "simulation_seed": seed,
    }
    overrides: dict[str, Any] = {name: value for name, value in sizes.items() if value is not None}
    if movielens is not None:
        overrides |= {"data_source": "movielens", "movielens_path": movielens}
    settings = load_settings(**overrides)
    options = Options(
        var=var.resolve(),
        dags=REPOSITORY / "dags",
        force_train=force_train,
        once=once,
        timeout_s=timeout * 60.0,
    )
    if not run_once(settings, options, given=os.environ, console=Console()):
        raise typer.Exit(1)


@app.command()
def stop(*, var: Var = Path("var")) -> None:
    """End every server of the stack; what they keep stays."""
    ended = Stack(var, REPOSITORY / "dags", os.environ).down()
    typer.echo(f"stopped: {', '.join(ended) or 'nothing ran'}")


def main() -> None:
    """Run the command line; turns the package's errors into one message and an exit code."""
    os.environ.update(direct(os.environ))
    try:
        app()
    except MovieRecommenderError as error:
        typer.echo(f"error: {error}", err=True)
        wrong_input = isinstance(error, ConfigurationError | InputDataError)
        raise SystemExit(2 if wrong_input else 1) from error
    except OSError as error:
        typer.echo(
            f"error: {error}. Nothing of this call runs on. Free space or grant access, then run "
            "again.",
            err=True,
        )
        raise SystemExit(1) from error
    except KeyboardInterrupt:
        typer.echo("interrupted: what this call started was stopped", err=True)
        raise SystemExit(130) from None


if __name__ == "__main__":
    main()
