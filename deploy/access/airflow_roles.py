"""Who may do what in Airflow with FabAuthManager: three roles, and a user for each.

    python deploy/access/airflow_roles.py

Run it after `airflow db migrate`, and again after anything has changed: it ends in the same state.

| Role | May |
|---|---|
| `Viewer` (Airflow's own, without what was added) | see DAGs, runs, tasks and logs |
| `Operator` (made here) | also pause, trigger, clear, mark, backfill; Variables; the audit log |
| `Admin` (Airflow's own) | everything, Connections and users included |

A user is made for each role whose password is given: AIRFLOW_VIEWER_PASSWORD,
AIRFLOW_OPERATOR_PASSWORD, AIRFLOW_ADMIN_PASSWORD. The user's name is `viewer`, `operator` or
`admin`, or what AIRFLOW_VIEWER_USER and so on say. Another password than the one before replaces
it, and ends the sessions that it opened.
"""

import os
import sys
from typing import Any

from airflow.providers.fab.auth_manager.cli_commands.utils import get_application_builder
from airflow.utils.providers_configuration_loader import providers_configuration_loaded
from werkzeug.security import check_password_hash

ROLES = {"viewer": "Viewer", "operator": "Operator", "admin": "Admin"}
"""Airflow's name of each role."""

OPERATOR_RIGHTS = [
    ("can_edit", "DAGs"),
    *((action, "DAG Runs") for action in ("can_create", "can_edit")),
    *((action, "Task Instances") for action in ("can_create", "can_edit")),
    *((action, "Backfills") for action in ("can_create", "can_edit")),
    *((f"can_{what}", "Variables") for what in ("create", "read", "edit", "delete")),
    ("can_read", "Audit Logs"),
    *(("menu_access", name) for name in ("Admin", "Variables", "Audit Logs")),
]
"""What an operator may beyond a viewer."""


def set_role(security: Any, name: str, rights: list[tuple[str, str]]) -> None:
    """Have the role and exactly these rights of it, whatever it was before."""
    role = security.add_role(name)
    wanted = [security.create_permission(action, resource) for action, resource in rights]
    for permission in set(role.permissions) - set(wanted):
        security.remove_permission_from_role(role, permission)
    for permission in set(wanted) - set(role.permissions):
        security.add_permission_to_role(role, permission)
    say(f"role {name}: {len(role.permissions)} rights")


def set_user(security: Any, name: str, role: str, password: str) -> None:
    """Have the user with this role alone and this password.

    Raises:
        SystemExit: Airflow refuses.
    """
    user, wanted = security.find_user(name), security.find_role(role)
    if user is None:
        # Airflow wants an address of its own for each; nothing is sent there.
        mail = f"{name}@movie-recommender.invalid"
        done = security.add_user(name, name, "movie-recommender", mail, wanted, password)
    else:
        user.roles = [wanted]
        same = check_password_hash(user.password, password)
        done = security.update_user(user) and (same or security.reset_password(user.id, password))
    if not done:
        message = f"Airflow refuses user {name!r} with role {role}; its log says why."
        raise SystemExit(message)
    say(f"user {name}: {role}")


def say(line: str) -> None:
    """Tell whoever has started it."""
    sys.stdout.write(f"{line}\n")


@providers_configuration_loaded
def main() -> None:
    """Have the roles and the users."""
    with get_application_builder() as builder:
        security = builder.sm
        security.sync_roles()  # gives Admin whatever there is, and takes nothing from anybody
        viewer = security.VIEWER_PERMISSIONS
        set_role(security, ROLES["viewer"], viewer)
        set_role(security, ROLES["operator"], [*viewer, *OPERATOR_RIGHTS])
        for kind, role in ROLES.items():
            password = os.environ.get(f"AIRFLOW_{kind.upper()}_PASSWORD")
            if password:
                name = os.environ.get(f"AIRFLOW_{kind.upper()}_USER") or kind
                set_user(security, name, role, password)


if __name__ == "__main__":
    main()
