"""Who may do what in MLflow with basic-auth: three roles, and a user for each.

    python deploy/access/mlflow_roles.py

Run it when the server answers, and again after anything has changed: it ends in the same state.

| Role | May |
|---|---|
| `pipeline` | log runs in every experiment; register, tag and promote versions of MODEL_NAME |
| `serving` | read MODEL_NAME, and the runs that its versions' files are kept with |
| `viewer` | read every experiment and model |

A user by the role's name is made for each role whose password is given: MLFLOW_PIPELINE_PASSWORD,
MLFLOW_SERVING_PASSWORD, MLFLOW_VIEWER_PASSWORD. Another password than the one before replaces it.
The script itself logs in as the server's admin: MLFLOW_AUTH_ADMIN_USERNAME (`admin`) and
MLFLOW_AUTH_ADMIN_PASSWORD.

MLflow lets everybody who has logged in make experiments and models by new names.
"""

import os
import sys

from mlflow.exceptions import MlflowException, RestException
from mlflow.server import get_app_client
from mlflow.server.auth.client import AuthServiceClient
from requests import RequestException

WORKSPACE = "default"
EVERY = "*"

Rights = dict[tuple[str, str], str]
"""Permission by the kind of thing and its name."""


def rights(model: str) -> dict[str, Rights]:
    """What each role may.

    To promote is to move an alias, and to take a failed promotion back may be to delete one, for
    which MLflow asks for MANAGE.
    """
    return {
        "pipeline": {
            ("experiment", EVERY): "EDIT",
            ("registered_model", model): "MANAGE",
        },
        "serving": {("experiment", EVERY): "READ", ("registered_model", model): "READ"},
        "viewer": {("experiment", EVERY): "READ", ("registered_model", EVERY): "READ"},
    }


def set_role(client: AuthServiceClient, name: str, wanted: Rights) -> int:
    """Have the role and exactly these rights of it; its id."""
    known = {role.name: role for role in client.list_roles(WORKSPACE)}
    role = known.get(name) or client.create_role(WORKSPACE, name)
    there: Rights = {}
    for grant in client.list_role_permissions(role.id):
        key = (grant.resource_type, grant.resource_pattern)
        if wanted.get(key) == grant.permission:
            there[key] = grant.permission
        else:
            client.remove_role_permission(grant.id)
    for key in wanted.keys() - there.keys():
        client.add_role_permission(role.id, *key, wanted[key])
    say(f"role {name}: {', '.join(f'{m} {k} {n}' for (k, n), m in sorted(wanted.items()))}")
    return int(role.id)


def set_user(client: AuthServiceClient, name: str, role_id: int, password: str) -> None:
    """Have the user with this password, and this role among his."""
    try:
        client.create_user(name, password)
    except RestException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
        client.update_user_password(name, password)
    if role_id not in {role.id for role in client.list_user_roles(name)}:
        client.assign_role(name, role_id)
    say(f"user {name}")


def say(line: str) -> None:
    """Tell whoever has started it."""
    sys.stdout.write(f"{line}\n")


def main() -> None:
    """Have the roles and the users.

    Raises:
        SystemExit: the server refuses or doesn't answer, or the admin's password is missing.
    """
    url = os.environ.get("MLFLOW_TRACKING_URI", "http://localhost:5000")
    password = os.environ.get("MLFLOW_AUTH_ADMIN_PASSWORD")
    if not password:
        message = "MLFLOW_AUTH_ADMIN_PASSWORD isn't set: give the one of the server."
        raise SystemExit(message)
    # MLflow's client takes them from there only.
    os.environ["MLFLOW_TRACKING_USERNAME"] = os.environ.get("MLFLOW_AUTH_ADMIN_USERNAME") or "admin"
    os.environ["MLFLOW_TRACKING_PASSWORD"] = password
    client = get_app_client("basic-auth", url)
    try:
        for role, wanted in rights(os.environ.get("MODEL_NAME", "movie-recommender")).items():
            role_id = set_role(client, role, wanted)
            own = os.environ.get(f"MLFLOW_{role.upper()}_PASSWORD")
            if own:
                set_user(client, role, role_id, own)
    except (MlflowException, RequestException) as error:
        message = f"The MLflow server at MLFLOW_TRACKING_URI={url} refuses: {str(error)[:300]}"
        raise SystemExit(message) from error


if __name__ == "__main__":
    main()
