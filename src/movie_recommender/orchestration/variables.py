"""Settings that operators change in Airflow's pages: Variables `movie_recommender.GATE_MIN_AUC`.

The prefix keeps them together in the list, and apart from what others call `ENGINE` or
`DATA_SOURCE` in the same Airflow; a name with it that means nothing is therefore a slip, and an
error. They are read when a task runs and in the watcher's sweeps, never when the DAG file is read.
"""

import difflib
from collections.abc import Mapping

from airflow.sdk import Variable
from airflow.sdk.exceptions import AirflowRuntimeError

from movie_recommender.errors import ConfigurationError, NotReadyError
from movie_recommender.orchestration import supervisor
from movie_recommender.settings import Settings
from movie_recommender.sources import Layer, is_secret

PREFIX = "movie_recommender."
REMEDY = "Correct it in Airflow (Admin, Variables), then clear the task."

_UNREADABLE = "can't be decrypted here: set AIRFLOW__CORE__FERNET_KEY as Airflow has it"
_BY_CONNECTION = (
    "kafka_bootstrap_",
    "kafka_security_",
    "kafka_sasl_",
    "kafka_ssl_",
    "mlflow_track",
)
_WITH_THE_DAG_FILE = (
    "alert_",
    "slack_conn_id",
    "smtp_conn_id",
    "apprise_conn_id",
    "retry_delay_s",
    "task_resources",
)
_OF_MONITORING = ("airflow_api_", "exporter_", "max_age_hours", "max_model_age_days")
_OF_PROMOTION = ("serving_url", "serving_timeout_s")


def in_task() -> Layer:
    """The Variables, from inside a task; none where no Airflow runs this.

    One call lists them and one more reads each that is set.

    Raises:
        NotReadyError: Airflow doesn't answer. The defaults would be another gate than the one
            that somebody has set, so they are no way out.
        ConfigurationError: a Variable has no meaning here.
    """
    found = read()
    wrong = problems(found)
    if wrong:
        remedy = f"Delete it, or {REMEDY[0].lower()}{REMEDY[1:]}"
        raise ConfigurationError("\n".join([*wrong, remedy]))
    return layer(found)


def read() -> dict[str, str | None]:
    """The Variables by their full names, from inside a task or a trigger; none elsewhere.

    Raises:
        NotReadyError: Airflow doesn't answer.
    """
    if not supervisor.is_there():
        return {}
    try:
        names = [name for name in Variable.keys(PREFIX) if name.startswith(PREFIX)]
        return {name: Variable.get(name) for name in names}
    except AirflowRuntimeError as error:
        message = (
            f"Airflow doesn't say which Variables {PREFIX}… are set ({error}). The task is "
            "retried, or clear it in Airflow."
        )
        raise NotReadyError(message) from error


def problems(found: Mapping[str, str | None]) -> list[str]:
    """Which of the Variables, by their full names, can't be settings, and why."""
    return [
        f"Airflow Variable {name}: {why}"
        for name, value in found.items()
        if (why := _refusal(name) or (_UNREADABLE if value is None else None))
    ]


def layer(found: Mapping[str, str | None]) -> Layer:
    """Variables, by their full names, as values of settings; empty ones and problems left out."""
    values = {name: value for name, value in found.items() if value and not _refusal(name)}
    names = {name.removeprefix(PREFIX).lower(): name for name in values}
    return Layer(
        source="Airflow Variable",
        values={field: values[name] for field, name in names.items()},
        places={field: f"Airflow Variable {name}" for field, name in names.items()},
        remedy=REMEDY,
    )


def _refusal(name: str) -> str | None:
    field = name.removeprefix(PREFIX).lower()
    right = f"{PREFIX}{field.upper()}"
    return _why_not(field) or (None if name == right else f"write {right}")


def _why_not(name: str) -> str | None:
    """Why the field `name` can't be a Variable; None: it can."""
    field = Settings.model_fields.get(name)
    if field is None:
        near = difflib.get_close_matches(name, Settings.model_fields, n=1)
        return f"there is no such setting{f', did you mean {near[0].upper()}?' if near else ''}"
    if is_secret(field):
        return "a secret is no Variable: set it in a Connection or in the environment"
    if name.startswith(_BY_CONNECTION):
        return "a server's address and its login belong together: set them in a Connection"
    if name.startswith(_WITH_THE_DAG_FILE):
        return "is read with the DAG file: set it in the environment"
    if name.startswith(_OF_MONITORING):
        return "status and the exporter don't read Variables: set it in their environment"
    if name.startswith(("serving_", "otel_")) and name not in _OF_PROMOTION:
        return "serving doesn't read Airflow's Variables: set it in serving's environment"
    return None
