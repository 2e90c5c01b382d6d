"""The settings of a task: its environment, Airflow's Variables, its Connections, the defaults."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import SecretStr

from movie_recommender.orchestration import object_store, servers, variables
from movie_recommender.orchestration.failures import airflow_errors
from movie_recommender.settings import Settings, load_settings, shown


def task_settings() -> Settings:
    """The settings of the task that runs in this process, which can reach the lake's bucket then.

    Raises:
        ConfigurationError: a value is wrong; names its place.
        NotReadyError: Airflow doesn't say what its Variables and Connections are.
    """
    by_variable = variables.in_task()
    settings = load_settings(by_variable)
    settings = load_settings(by_variable, servers.layer(settings))
    object_store.export(settings)
    return settings


def environment(settings: Settings) -> dict[str, str]:
    """What a child process must have in its environment to come to the same settings."""
    values = {name: getattr(settings, name) for name in Settings.model_fields}
    return {
        name.upper(): _written(value)
        for name, value in values.items()
        if value is not None and settings.source(name).startswith("Airflow")
    }


def _written(value: object) -> str:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return value.isoformat() if isinstance(value, datetime) else shown(value)


def prepare_subprocess(context: Mapping[str, Any]) -> None:
    """Before a BashOperator runs: its command gets the task's settings as environment variables.

    Not by the operator's `env`: that is a template field, which Airflow shows and stores, and a
    connection's password would be in it.

    Raises:
        AirflowFailException: a setting is wrong.
    """
    with airflow_errors():
        ours = environment(task_settings())
    task = context["task"]
    inherited = task.get_env
    task.get_env = lambda context: {**inherited(context), **ours}
