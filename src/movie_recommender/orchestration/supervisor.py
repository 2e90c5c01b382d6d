"""What a task asks Airflow through its supervisor where Airflow's own interface hides a failure.

`BaseHook.get_connection` says of a connection that it isn't defined also where Airflow's API didn't
answer. These are internals of Airflow's task SDK: no other module asks them.
"""

import sys

from airflow.sdk.exceptions import AirflowRuntimeError, ErrorType

from movie_recommender.errors import NotReadyError


def is_there() -> bool:
    """Whether this is a task's process, or a trigger's: one that has a supervisor."""
    # As Airflow itself finds it out; without being asked, the module isn't imported.
    runner = sys.modules.get("airflow.sdk.execution_time.task_runner")
    return getattr(runner, "SUPERVISOR_COMMS", None) is not None


def confirm_absence(conn_id: str) -> None:
    """Return if Airflow's API says that it has no connection of that id, or nobody can ask it.

    Raises:
        NotReadyError: it says something else, or nothing: the connection may be there.
    """
    if not is_there():
        return
    from airflow.sdk.execution_time.comms import ErrorResponse, GetConnection
    from airflow.sdk.execution_time.task_runner import SUPERVISOR_COMMS

    try:
        answer = SUPERVISOR_COMMS.send(GetConnection(conn_id=conn_id))
    except AirflowRuntimeError as error:
        answer = error.error
    reason = "not at first, when asked again it is there"
    if isinstance(answer, ErrorResponse):
        if answer.error is ErrorType.CONNECTION_NOT_FOUND:
            return
        reason = f"{answer.error.value}: {answer.detail}"
    message = (
        f"Airflow's API didn't answer; Connection {conn_id} can't be read ({reason}). "
        "The task is retried, or clear it in Airflow."
    )
    raise NotReadyError(message)
