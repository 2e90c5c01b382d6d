#!/usr/bin/env python
"""MLflow's database, with the tables of the MLflow that is here: makes them, or upgrades them.

mlflow-database

Runs before the server, which refuses some older tables, and would change others by itself in the
time that its probes give it. The database is the one that libpq's variables name: PGHOST, PGPORT,
PGDATABASE, PGUSER, PGPASSWORD. Of two at once the second waits, and finds nothing to do. An upgrade
is one transaction: killed, it leaves the tables as they were.
"""

import sys
from contextlib import closing

import psycopg2
from alembic.util import CommandError

ANY = "postgresql+psycopg2://"
"""The address that says nothing, so that libpq's variables say it."""

LOCK = int.from_bytes(b"mlflow", "big")
"""PostgreSQL knows its advisory locks by a number."""


def main() -> int:
    """Exit code."""
    try:
        # Let go of when the connection ends, in whatever way that comes about.
        with closing(psycopg2.connect("")) as alone:
            alone.autocommit = True
            alone.cursor().execute("SELECT pg_advisory_lock(%s)", [LOCK])
            from mlflow.cli import cli  # seconds; a wrong password is told at once

            cli.main(["db", "upgrade", ANY], standalone_mode=False)
    except psycopg2.OperationalError as error:
        return wrong(f"{str(error).strip()}. See PGHOST, PGDATABASE, PGUSER and PGPASSWORD.")
    except CommandError as error:
        return wrong(f"{error}: a newer MLflow made the tables. Keep to it, or restore a backup.")
    return 0


def wrong(what: str) -> int:
    """Say it to whoever looks at the container's log."""
    sys.stderr.write(f"MLflow's database: {what}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
