"""Airflow's Variables and Connections for a command line, outside of any task.

They are read from the metadata database, so they are seen where Airflow itself is set up: with its
environment variables, on a machine that reaches the database.
"""

import contextlib
import os
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from movie_recommender.sources import Layer

TIMEOUT_S = 30.0
"""Longest time for Airflow's import, some five seconds, and for the database to answer."""

_ITS_OWN = (
    "AIRFLOW_HOME",
    "AIRFLOW_CONFIG",
    "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN",
    "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_CMD",
    "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_SECRET",
)


@dataclass(frozen=True)
class Airflow:
    """What was found.

    Attributes:
        layers: Variables, then Connections, as `load_settings` takes them.
        problems: Variables and Connections that can't be settings, and why.
        missing: why nothing could be read; None: it could.
    """

    layers: Sequence[Layer] = ()
    problems: Sequence[str] = ()
    missing: str | None = None


def look() -> Airflow:
    """Read Airflow's Variables and Connections, within `TIMEOUT_S`; never raises."""
    if not any(os.environ.get(name) for name in _ITS_OWN):
        # Importing Airflow would make a home directory and a configuration for it.
        return Airflow(missing=f"no Airflow is set up here (none of {', '.join(_ITS_OWN)} is set)")
    found: list[Airflow] = []

    def read() -> None:
        try:
            found.append(_read())
        except Exception as error:  # noqa: BLE001  (a database may fail in any way; the settings go on)
            found.append(Airflow(missing=f"Airflow can't be read: {str(error).splitlines()[0]}"))

    thread = threading.Thread(target=read, daemon=True)
    # Airflow logs to what is standard output when it is imported; that is for the answer.
    with contextlib.redirect_stdout(sys.stderr):
        thread.start()
        thread.join(TIMEOUT_S)
    late = Airflow(missing=f"Airflow's database doesn't answer within {TIMEOUT_S:g} s")
    return found[0] if found else late


def find_connection(conn_id: str) -> Any | None:
    """Airflow's connection of that id, from the environment or the database, or None."""
    from airflow.models import Connection
    from airflow.sdk.exceptions import AirflowNotFoundException

    try:
        return Connection.get_connection_from_secrets(conn_id)
    except AirflowNotFoundException:
        return None


def lend(conn_id: str) -> bool:
    """Have Airflow's hooks in this process find the connection, as in a task; whether there is one.

    Out of the database: to the environment, which the hooks look into everywhere.
    """
    connection = find_connection(conn_id)
    if connection is not None:
        os.environ.setdefault(f"AIRFLOW_CONN_{conn_id.upper()}", connection.as_json())
    return connection is not None


def _read() -> Airflow:
    from movie_recommender.errors import ConfigurationError
    from movie_recommender.orchestration import airflow_state, object_store, servers, variables
    from movie_recommender.settings import usable_settings

    found = airflow_state.variables(variables.PREFIX)
    problems = variables.problems(found)
    layers = [variables.layer(found)]
    settings, _ = usable_settings(*layers)
    try:
        layers.append(servers.layer(settings, find_connection))
        object_store.export(settings, find_connection)
    except ConfigurationError as error:
        problems.append(str(error))
    return Airflow(layers, problems)
