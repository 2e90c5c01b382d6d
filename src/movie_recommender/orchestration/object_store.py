"""A bucket's keys from an Airflow Connection, put where the clients of object stores look.

delta-rs and Arrow take them from the process's environment only. A task is a process of its own:
they end with it, and no log, template or command line shows them.
"""

import os
from typing import Any

from movie_recommender.errors import ConfigurationError
from movie_recommender.orchestration.servers import REMEDY, Find, find_connection
from movie_recommender.settings import Settings

_OWN = {
    "s3": ("AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE"),
    "gs": ("GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_SERVICE_ACCOUNT"),
}
"""One of these in the environment: it says who one is, and no connection is asked."""

_AWS_EXTRA = {
    "aws_session_token": "AWS_SESSION_TOKEN",
    "region_name": "AWS_REGION",
    "endpoint_url": "AWS_ENDPOINT_URL",
}
_NOT_SUPPORTED = {
    "aws": ("role_arn", "profile_name"),
    "google": ("keyfile_dict", "key_secret_name", "impersonation_chain"),
}


def export(settings: Settings, find: Find = find_connection) -> None:
    """Have this process reach the lake's bucket; nothing is done for a lake on a disk.

    Raises:
        ConfigurationError: the connection asks for what isn't supported.
        NotReadyError: Airflow doesn't say whether there is one.
    """
    scheme = settings.data_lake_path.partition("://")[0].replace("s3a", "s3")
    if scheme not in _OWN or any(os.environ.get(name) for name in _OWN[scheme]):
        return
    conn_id, variables = {
        "s3": (settings.aws_conn_id, aws),
        "gs": (settings.google_conn_id, google),
    }[scheme]
    connection = find(conn_id)
    if connection is None:
        return
    for name, value in variables(connection).items():
        os.environ.setdefault(name, value)


def aws(connection: Any) -> dict[str, str]:
    """Environment variables of a connection of type Amazon Web Services.

    Without a login none of them says who one is, and the machine's role counts.

    Raises:
        ConfigurationError: it names a role or a profile.
    """
    extra = _supported(connection, "aws")
    found = {
        "AWS_ACCESS_KEY_ID": connection.login,
        "AWS_SECRET_ACCESS_KEY": connection.password,
        **{variable: extra.get(name) for name, variable in _AWS_EXTRA.items()},
    }
    if str(found["AWS_ENDPOINT_URL"]).startswith("http://"):
        found["AWS_ALLOW_HTTP"] = "true"
    return {name: str(value) for name, value in found.items() if value}


def google(connection: Any) -> dict[str, str]:
    """Environment variables of a connection of type Google Cloud: `key_path`, a file of the task's.

    Raises:
        ConfigurationError: it holds the key itself, or names another account.
    """
    path = _supported(connection, "google").get("key_path")
    return {"GOOGLE_APPLICATION_CREDENTIALS": str(path)} if path else {}


def _supported(connection: Any, kind: str) -> dict[str, Any]:
    extra = {
        # The Google provider's older form of a field's name.
        name.removeprefix("extra__google_cloud_platform__"): value
        for name, value in connection.extra_dejson.items()
        if value
    }
    wrong = [name for name in _NOT_SUPPORTED[kind] if name in extra]
    if wrong:
        message = (
            f"Airflow Connection {connection.conn_id} has the extra field {wrong[0]!r}, which the "
            "lake's clients don't know: give keys (AWS) or key_path (Google), or let the tasks' "
            f"machine have the role. {REMEDY}"
        )
        raise ConfigurationError(message)
    return extra
