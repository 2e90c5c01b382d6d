"""`movie-recommender features …`: build the store, look into it, rebuild, compare, forget."""

from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from movie_recommender.cli.shared import AsOf, midnight, print_json
from movie_recommender.settings import load_settings

app = typer.Typer(invoke_without_command=True)

Snapshot = Annotated[
    str, typer.Argument(help="Id, its first 6 digits or more, or 'latest', the published one.")
]


@app.callback()
def build(
    context: typer.Context,
    *,
    as_of: AsOf = None,
    reference: Annotated[
        str | None,
        typer.Option(help="Id of the snapshot to measure drift against, the production model's."),
    ] = None,
) -> None:
    """Build and publish the feature store from the lake; or one of the commands below."""
    if context.invoked_subcommand is not None:
        if as_of is not None or reference is not None:
            message = (
                "--as-of and --reference belong to the build, not to "
                f"`{context.invoked_subcommand}`."
            )
            raise typer.BadParameter(message)
        return
    from movie_recommender.features import run

    print_json(asdict(run(load_settings(), as_of=midnight(as_of), reference_id=reference)))


@app.command("list")
def list_groups() -> None:
    """List the feature groups, the published tables first."""
    from movie_recommender.features import catalogue

    print_json([asdict(entry) for entry in catalogue.listing()])


@app.command("describe")
def describe_group(name: Annotated[str, typer.Argument(help="As `list` shows it.")]) -> None:
    """Show a feature group's header and columns."""
    from movie_recommender.features import catalogue

    print_json(asdict(catalogue.describe(name)))


@app.command("catalogue")
def print_catalogue() -> None:
    """Print all feature groups as a page: docs/features.md."""
    from movie_recommender.features import catalogue

    typer.echo(catalogue.markdown(), nl=False)


@app.command("show")
def show_rows(
    *,
    user: Annotated[list[int] | None, typer.Option(help="Id of a user; may be repeated.")] = None,
    movie: Annotated[list[int] | None, typer.Option(help="Id of a movie; may be repeated.")] = None,
) -> None:
    """Show what the published store knows about users and movies."""
    from movie_recommender.features import lookup

    if not user and not movie:
        message = "Say whose row: --user ID or --movie ID."
        raise typer.BadParameter(message)
    found = lookup.show(load_settings(), users=user or (), movies=movie or ())
    print_json(asdict(found))


@app.command("snapshots")
def list_snapshots() -> None:
    """List the published registry's snapshots, the published one first."""
    from movie_recommender.features import history

    print_json(history.listing(load_settings()))


@app.command("rebuild")
def rebuild_snapshot(
    *,
    snapshot: Annotated[
        str, typer.Option(help="Id, its first 6 digits or more, or 'latest', the published one.")
    ],
    to: Annotated[Path, typer.Option(help="The new file; the published one is never touched.")],
) -> None:
    """Build an older snapshot again into a new file and prove that it is the same."""
    from movie_recommender.features import archive

    print_json(asdict(archive.rebuild(load_settings(), name=snapshot, to=to)))


@app.command("prune")
def prune_registry(
    *,
    keep_days: Annotated[
        int | None,
        typer.Option(min=0, help="Days before the newest as_of; LAKE_RETENTION_DAYS by default."),
    ] = None,
    keep: Annotated[
        list[str] | None, typer.Option(help="A snapshot that stays; may be repeated.")
    ] = None,
) -> None:
    """Forget snapshots that are too old or can't be rebuilt from the lake any more."""
    from movie_recommender.features import history

    print_json(asdict(history.prune(load_settings(), keep_days=keep_days, keep=keep or ())))


@app.command("diff")
def diff_snapshots(a: Snapshot, b: Snapshot) -> None:
    """Show what two snapshots differ in: the registry's fields, and rows and columns by table."""
    from movie_recommender.features import difference

    print_json(asdict(difference.diff(load_settings(), a, b)))


def backfill(
    *,
    first: Annotated[datetime, typer.Option("--from", formats=["%Y-%m-%d"], help="The first day.")],
    last: Annotated[
        datetime, typer.Option("--to", formats=["%Y-%m-%d"], help="The last day, included.")
    ],
) -> None:
    """Build and publish the feature snapshots of past days, each as of the midnight after it."""
    from movie_recommender.features.backfill import backfill as run_days

    print_json(asdict(run_days(load_settings(), first=first.date(), last=last.date())))
