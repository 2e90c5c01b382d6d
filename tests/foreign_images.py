"""PostgreSQL and Kafka as their images start them, from the programs that are here.

An image's own entrypoint isn't here: what it makes of the composition's variables is done by these
two functions instead.
"""

import os
import subprocess
from pathlib import Path

from movie_recommender.local import broker
from tests.composition import COMPOSE
from tests.conftest import JARS
from tests.plain_processes import POSTGRES, PlainProcesses

NOBODY = 65534


def start_postgres(plain: PlainProcesses, home: Path) -> None:
    """Make a database in `home`, run the scripts that the image would run, and start the server."""
    secrets = plain.directory / "secrets"
    # PostgreSQL refuses to be root's.
    user = ["setpriv", f"--reuid={NOBODY}", "--clear-groups"] if os.getuid() == 0 else []
    if user:
        os.chown(home, NOBODY, -1)
    data = home / "data"
    command = [*user, POSTGRES / "initdb", "-D", data, "-U", "postgres", "--auth=scram-sha-256"]
    password = f"--pwfile={home / 'password'}"
    (home / "password").write_text((secrets / "database_password").read_text())
    (home / "password").chmod(0o644)
    subprocess.run([*command, password], check=True, capture_output=True, cwd=home)
    server = [POSTGRES / "postgres", "-D", data, "-k", home, "-p", str(plain.ports[5432])]
    server += ["-c", "fsync=off"]  # nothing of it outlives the test
    plain.start("postgres", [str(word) for word in (*user, *server)])
    plain.wait("postgres")
    for volume in plain.services["postgres"]["volumes"]:
        script, _, place = volume.partition(":")
        if place.startswith("/docker-entrypoint-initdb.d"):
            psql(plain, plain.here((COMPOSE.parent / script).read_text()))


def psql(plain: PlainProcesses, script: str, database: str = "postgres") -> str:
    """What a shell script writes that asks the database as its superuser."""
    address = {"PGHOST": "127.0.0.1", "PGPORT": str(plain.ports[5432]), "PGDATABASE": database}
    password = {"PGPASSWORD": (plain.directory / "secrets" / "database_password").read_text()}
    environment = {**plain.environment("postgres"), **address, **password}
    done = subprocess.run(
        ["bash", "-c", script], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def start_kafka(plain: PlainProcesses) -> None:
    """Format the volume and start the broker: a variable KAFKA_A_B is the property a.b."""
    given = plain.environment("kafka")
    heap = given.pop("KAFKA_HEAP_OPTS").split()
    properties = {
        name.removeprefix("KAFKA_").lower().replace("_", "."): value
        for name, value in given.items()
        if name.startswith("KAFKA_")
    }
    config = plain.directory / "server.properties"
    config.write_text("".join(f"{name}={value}\n" for name, value in properties.items()))
    java = ["java", *heap, "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"]
    java += ["-cp", f"{broker.install(JARS).resolve()}/*"]
    form = [*java, "kafka.tools.StorageTool", "format", "-t", given["CLUSTER_ID"], "-c", config]
    subprocess.run(form, check=True, capture_output=True)
    plain.start("kafka", [*java, "kafka.Kafka", str(config)])
