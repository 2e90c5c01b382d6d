"""MLflow's tables of an older release, and what the composition does with them, on PostgreSQL."""

import subprocess
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy
from alembic import command
from alembic.script import ScriptDirectory
from mlflow.store.db.utils import _get_alembic_config
from mlflow.store.tracking.dbmodels.initial_models import Base

from movie_recommender.local import ports
from tests.foreign_images import psql, start_postgres
from tests.plain_processes import PlainProcesses

pytestmark = pytest.mark.integration

OLD = "an experiment of before"
UPGRADES = 5
"""How many of MLflow's changes to its tables the older release lacks."""


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlainProcesses]:
    """The composition's PostgreSQL."""
    found = PlainProcesses(tmp_path_factory.mktemp("database"), {"MLFLOW_WORKERS": "1"})
    with tempfile.TemporaryDirectory(prefix="movie-recommender-") as home:
        try:
            start_postgres(found, Path(home))
            yield found
        finally:
            found.stop()


def ask(plain: PlainProcesses, database: str, query: str) -> str:
    return psql(plain, f'psql -At -U postgres -c "{query}"', database).strip()


def version(plain: PlainProcesses, database: str) -> str:
    return ask(plain, database, "SELECT version_num FROM alembic_version")


def newest() -> str | None:
    return ScriptDirectory.from_config(_get_alembic_config("")).get_current_head()


def make_older(plain: PlainProcesses) -> None:
    """The tables as an older MLflow left them, with one experiment."""
    secret = (plain.directory / "secrets" / "mlflow_database_password").read_text()
    address = f"{ports.LOOPBACK}:{plain.ports[5432]}"
    url = f"postgresql+psycopg2://mlflow:{secret}@{address}/mlflow"
    config = _get_alembic_config(url)
    revisions = list(ScriptDirectory.from_config(config).walk_revisions())
    engine = sqlalchemy.create_engine(url)
    Base.metadata.create_all(engine)
    command.upgrade(config, revisions[UPGRADES].revision)
    with engine.begin() as connection:
        insert = "INSERT INTO experiments (name, lifecycle_stage) VALUES (:name, 'active')"
        connection.execute(sqlalchemy.text(insert), {"name": OLD})
    engine.dispose()


def test_two_at_once_make_the_tables_of_an_empty_database(plain: PlainProcesses) -> None:
    ask(plain, "postgres", "CREATE DATABASE empty OWNER mlflow")
    with ThreadPoolExecutor() as pool:
        both = [pool.submit(plain.run, "mlflow-database", PGDATABASE="empty") for _ in range(2)]
        for each in both:
            each.result()
    assert version(plain, "empty") == newest()


def test_older_tables_are_upgraded_and_keep_what_they_hold(plain: PlainProcesses) -> None:
    make_older(plain)
    assert version(plain, "mlflow") != newest()
    plain.run("mlflow-database")
    assert version(plain, "mlflow") == newest()
    assert ask(plain, "mlflow", "SELECT name FROM experiments") == OLD


def refusal(plain: PlainProcesses, **variables: str) -> str:
    """What it says to an operator who has to do something."""
    done = subprocess.run(
        plain.command("mlflow-database"),
        env={**plain.environment("mlflow-database"), **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 1
    return done.stderr.splitlines()[-1]


def test_newer_tables_are_left_alone(plain: PlainProcesses) -> None:
    ask(plain, "postgres", "CREATE DATABASE newer TEMPLATE empty OWNER mlflow")
    ask(plain, "newer", "UPDATE alembic_version SET version_num = 'of-tomorrow'")
    assert "restore a backup" in refusal(plain, PGDATABASE="newer")
    assert version(plain, "newer") == "of-tomorrow"


def test_a_wrong_password_is_told_and_not_shown(plain: PlainProcesses) -> None:
    (wrong := plain.directory / "wrong").write_text("not-the-password")
    told = refusal(plain, FILE__PGPASSWORD=str(wrong))
    assert "See PGHOST, PGDATABASE, PGUSER and PGPASSWORD" in told
    assert "not-the-password" not in told
