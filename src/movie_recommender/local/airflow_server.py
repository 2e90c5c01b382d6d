"""Airflow standalone on loopback, everything it keeps in one directory."""

import base64
import json
import os
import secrets
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from movie_recommender.local import process
from movie_recommender.local.ports import LOOPBACK

LOG = "airflow.log"


@dataclass(frozen=True)
class AirflowPorts:
    """The ports of Airflow's servers; they move together."""

    api: int
    worker_logs: int
    trigger_logs: int
    scheduler_health: int


def environment(home: Path, dags: Path, ports: AirflowPorts) -> dict[str, str]:
    """Airflow's configuration as environment variables, for every component alike."""
    url = f"http://{LOOPBACK}:{ports.api}"
    values = {
        "CORE__DAGS_FOLDER": dags.resolve(),
        "CORE__LOAD_EXAMPLES": False,
        "CORE__PARALLELISM": 4,
        "CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": True,  # loopback only: see docs/operations.md
        "CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
        "CORE__FERNET_KEY": _secret(home / "fernet.key", fernet=True),
        "API__HOST": LOOPBACK,
        "API__PORT": ports.api,
        "API__BASE_URL": url,
        "API__WORKERS": 1,
        "API__SECRET_KEY": _secret(home / "api.key"),
        "API_AUTH__JWT_SECRET": _secret(home / "jwt.key"),
        "LOGGING__WORKER_LOG_SERVER_PORT": ports.worker_logs,
        "LOGGING__TRIGGER_LOG_SERVER_PORT": ports.trigger_logs,
        "SCHEDULER__SCHEDULER_HEALTH_CHECK_SERVER_HOST": LOOPBACK,
        "SCHEDULER__SCHEDULER_HEALTH_CHECK_SERVER_PORT": ports.scheduler_health,
        "SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": 0.1,
        # A killed task is found after this many seconds instead of 300.
        "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": 60,
        "DAG_PROCESSOR__REFRESH_INTERVAL": 5,
        "USAGE_DATA_COLLECTION__ENABLED": False,
    }
    # A directory that may have no bin/activate: tasks find the programs of this environment first.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    return {
        "AIRFLOW_HOME": str(home.resolve()),
        **direct(os.environ),
        # Training shares its cores with the servers: threads that spin at a barrier while they wait
        # for one that has no core make it several times slower.
        "OMP_WAIT_POLICY": "PASSIVE",
        "PATH": path,
        **{f"AIRFLOW__{name}": str(value) for name, value in values.items()},
    }


def direct(given: Mapping[str, str]) -> dict[str, str]:
    """Environment with which no proxy is asked for what lies on this machine."""
    hosts = [*filter(None, given.get("NO_PROXY", "").split(",")), LOOPBACK, "localhost"]
    value = ",".join(dict.fromkeys(hosts))
    return {"NO_PROXY": value, "no_proxy": value}


def connections(*, slack_url: str, smtp_port: int, given: Mapping[str, str]) -> dict[str, str]:
    """Connections to the sink, but for those that the user has `given` in his environment."""
    sink = {
        "AIRFLOW_CONN_SLACK_DEFAULT": {
            "conn_type": "http",
            "host": f"{slack_url}/services",
            "password": "T000/B000/local",
        },
        "AIRFLOW_CONN_SMTP_DEFAULT": {
            "conn_type": "smtp",
            "host": LOOPBACK,
            "port": smtp_port,
            "extra": {
                "from_email": "airflow@example.com",
                "disable_ssl": True,
                "disable_tls": True,
                "timeout": 5,
                "retry_limit": 1,
            },
        },
    }
    return {name: json.dumps(value) for name, value in sink.items() if name not in given}


def start(home: Path, env: Mapping[str, str], *, pidfile: Path) -> process.Child:
    """Start all components; they are one process group."""
    home.mkdir(parents=True, exist_ok=True)
    return process.start(
        [sys.executable, "-m", "airflow", "standalone"],
        pidfile=pidfile,
        log=home / LOG,
        env=env,
        cwd=home,
    )


def _secret(path: Path, *, fernet: bool = False) -> str:
    """A random secret, made once and kept readable for its owner only."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        value = base64.urlsafe_b64encode(secrets.token_bytes(32 if fernet else 64)).decode()
        temporary = path.with_suffix(".new")
        temporary.touch(mode=0o600)
        temporary.write_text(value)
        temporary.replace(path)
    return path.read_text()
