"""A lake in a bucket of a real S3 server: as a directory in all that counts."""

import http.server
import logging
import os
import random
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa
import pytest

from movie_recommender import extract, features
from movie_recommender.errors import ConcurrentWriteError, MovieRecommenderError, StorageError
from movie_recommender.extract import dead_letters
from movie_recommender.extract.maintain import maintain
from movie_recommender.extract.rebuild import rebuild
from movie_recommender.lake import TABLES, Lake, LakeCare, storage, table_schema
from movie_recommender.local import ports
from movie_recommender.settings import Settings, load_settings
from movie_recommender.simulation.generate import generate_all
from tests.s3_server import BUCKET, S3Server

pytestmark = pytest.mark.integration

DAY = date(2026, 3, 10)
NOW = datetime(2026, 3, 11, 2, tzinfo=UTC)

EXTRACT = """
import sys
from datetime import datetime
from movie_recommender import extract
from movie_recommender.extract import source, topic
from movie_recommender.settings import load_settings

source.MAX_BATCH_MESSAGES = topic.MAX_COMMIT_MESSAGES = 300
extract.run(load_settings(), now=datetime.fromisoformat(sys.argv[1]))
"""

READ_A_LITTLE = """
import duckdb, os
from movie_recommender.lake import Lake

rows = Lake(os.environ["DATA_LAKE_PATH"]).dataset("interactions")
next(rows.scanner(columns=["event_id"]).to_reader())
connection = duckdb.connect()
connection.register("rows", rows)
print(connection.sql("SELECT user_id FROM rows LIMIT 1").fetchall())
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    started = S3Server(tmp_path_factory.mktemp("s3"))
    try:
        started.start()
        yield started
    finally:
        started.stop()


@pytest.fixture
def bucket(server: S3Server, monkeypatch: pytest.MonkeyPatch) -> str:
    """A prefix of the test's own in the server's bucket; the environment lets it be written."""
    for name, value in server.variables.items():
        monkeypatch.setenv(name, value)
    return f"s3://{BUCKET}/{uuid.uuid4().hex}"


@pytest.fixture
def dirty(settings: Settings, bucket: str) -> Settings:
    """A small world's events with dirt in Kafka; the lake is a bucket."""
    return sent(settings.model_copy(update={"data_lake_path": bucket}))


def sent(settings: Settings) -> Settings:
    world = {
        "simulation_users": 60,
        "simulation_movies": 80,
        "simulation_dirt": "duplicates=0.1,late=0.05,malformed=0.05,future=0.02",
        "max_dead_letter_share": 1,
    }
    changed = settings.model_copy(update=world)
    generate_all(changed, DAY, history_days=2, on_step=lambda _: None)
    return changed


def rows(path: str, table: str) -> pa.Table:
    order = [(name, "ascending") for name in ("kafka_partition", "kafka_offset")]
    return Lake(path).dataset(table).to_table().sort_by(order)


def environment(settings: Settings) -> dict[str, str]:
    return {
        **os.environ,
        "DATA_LAKE_PATH": settings.data_lake_path,
        "KAFKA_BOOTSTRAP_SERVERS": settings.kafka_bootstrap_servers,
        "KAFKA_TOPIC_PREFIX": settings.kafka_topic_prefix,
        "MAX_DEAD_LETTER_SHARE": "1",
    }


def as_in_a_directory(settings: Settings, directory: Path) -> None:
    """The bucket has every row that a directory gets from the same messages."""
    other = settings.model_copy(update={"data_lake_path": str(directory)})
    extract.run(other, now=NOW)
    for table in TABLES:
        assert rows(settings.data_lake_path, table) == rows(other.data_lake_path, table), table
    assert rows(other.data_lake_path, "dead_letters").num_rows > 0


def test_extraction_features_and_care_give_what_a_directory_gives(
    dirty: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = extract.run(dirty, now=NOW)
    assert extract.run(dirty, now=NOW + timedelta(hours=1)).messages == 0
    as_in_a_directory(dirty, tmp_path / "directory")
    built = features.run(dirty, as_of=NOW)
    assert built.n_users == 60
    assert dead_letters.replay(dirty, now=NOW).left == first.reasons
    monkeypatch.setattr(extract.maintain, "MANY_FILES", 1)
    before = rows(dirty.data_lake_path, "interactions")
    assert maintain(dirty, budget_s=60).compacted["interactions"]
    assert rows(dirty.data_lake_path, "interactions") == before
    assert LakeCare(dirty.data_lake_path).vacuum("interactions", timedelta(days=30)) == 0


def test_a_rebuild_sets_right_what_was_lost(dirty: Settings, tmp_path: Path) -> None:
    extract.run(dirty, now=NOW)
    Lake(dirty.data_lake_path).delete("interactions", "user_id % 3 = 0")
    assert list(rebuild(dirty, now=NOW + timedelta(hours=1)).changed) == ["interactions"]
    as_in_a_directory(dirty, tmp_path / "directory")


def test_two_extractions_at_once_end_as_one(dirty: Settings, tmp_path: Path) -> None:
    def until_done() -> None:
        for _ in range(30):
            try:
                extract.run(dirty, now=NOW)
            except ConcurrentWriteError:
                continue
            return
        pytest.fail("an extraction never got through")

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda _: until_done(), range(3)))
    as_in_a_directory(dirty, tmp_path / "directory")


def test_killed_at_any_moment_nothing_is_lost_or_doubled(dirty: Settings, tmp_path: Path) -> None:
    rng = random.Random(3)
    killed = 0
    for _ in range(6):
        command = [sys.executable, "-c", EXTRACT, NOW.isoformat()]
        at_work = subprocess.Popen(command, env=environment(dirty))
        version = Lake(dirty.data_lake_path).version("interactions")
        deadline = time.monotonic() + 20
        # From the first commit on, so that a kill hits the work and not the start of Python.
        while at_work.poll() is None and time.monotonic() < deadline:
            if Lake(dirty.data_lake_path).version("interactions") != version:
                break
        time.sleep(rng.uniform(0, 0.4))
        at_work.send_signal(signal.SIGKILL)
        killed += at_work.wait() == -signal.SIGKILL
    extract.run(dirty, now=NOW)
    as_in_a_directory(dirty, tmp_path / "directory")
    assert killed


def test_a_process_that_has_read_a_little_ends_well(dirty: Settings) -> None:
    extract.run(dirty, now=NOW)
    for _ in range(3):
        command = [sys.executable, "-c", READ_A_LITTLE]
        done = subprocess.run(command, env=environment(dirty), capture_output=True, timeout=60)
        assert done.returncode == 0, done.stderr.decode()


@pytest.mark.parametrize("right", [True, False])
def test_the_doctor_tries_a_bucket_by_the_keys_of_an_airflow_connection(
    server: S3Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, right: bool
) -> None:
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))  # its import makes one
    from movie_recommender.doctor import Case, examine, lake
    from movie_recommender.orchestration import object_store

    for name in server.variables:
        # Set before deleted, so that what is exported is taken back.
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    secret = server.variables["AWS_SECRET_ACCESS_KEY"] if right else "a-guessed-secret"
    connection = SimpleNamespace(
        conn_id="aws_default",
        login=server.variables["AWS_ACCESS_KEY_ID"],
        password=secret,
        extra_dejson={"endpoint_url": server.url, "region_name": "us-east-1"},
    )
    settings = load_settings(data_lake_path=f"s3://{BUCKET}/{uuid.uuid4().hex}")
    object_store.export(settings, lambda _: connection)
    place, *tables = examine(Case(settings, lambda: datetime.now(UTC)), {"lake": lake.check})
    assert place.status == ("ok" if right else "fail")
    assert [finding.status for finding in tables] == (["warn"] if right else [])
    assert "can be written, and refuses" in place.seen or "SignatureDoesNotMatch" in place.seen
    assert secret not in f"{place} {tables}"


def test_wrong_credentials_are_told_without_any_secret(
    dirty: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a-wrong-secret-for-once")
    with pytest.raises(StorageError, match="SignatureDoesNotMatch") as told:
        extract.run(dirty, now=NOW)
    assert dirty.data_lake_path in str(told.value)
    seen = caplog.text + str(told.value) + repr(told.value)
    for secret in ("a-wrong-secret-for-once", "an-access-key-of-tests"):
        assert secret not in seen


def test_the_command_shows_no_secret(dirty: Settings, server: S3Server) -> None:
    command = [sys.executable, "-m", "movie_recommender.cli", "extract"]
    told = subprocess.run(command, env=environment(dirty), capture_output=True, timeout=120)
    output = (told.stdout + told.stderr).decode()
    assert told.returncode == 0, output
    assert server.variables["AWS_SECRET_ACCESS_KEY"] not in output
    assert server.variables["AWS_ACCESS_KEY_ID"] not in output


@pytest.mark.parametrize("when", ["before", "within"])
def test_a_server_that_does_not_answer_ends_the_step_in_time(
    dirty: Settings,
    server: S3Server,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    when: str,
) -> None:
    monkeypatch.setattr(storage, "REQUEST_S", 1)
    monkeypatch.setattr(storage, "PATIENCE_S", 3)
    monkeypatch.setattr(storage, "TRIES", 2)
    if when == "within":
        extract.run(dirty, now=NOW)
        sent(dirty.model_copy(update={"simulation_seed": 2}))
    started = time.monotonic()
    with server.frozen(), pytest.raises(StorageError, match="Can't"):
        extract.run(dirty, now=NOW)
    assert time.monotonic() - started < 30
    extract.run(dirty, now=NOW)
    as_in_a_directory(dirty, tmp_path / "directory")


def test_a_bucket_that_is_not_there_is_named(bucket: str) -> None:
    lake = Lake(bucket.replace(BUCKET, "no-such-bucket"))
    with pytest.raises(StorageError, match=r"s3://no-such-bucket/.*NoSuchBucket.*DATA_LAKE_PATH"):
        lake.append("users", table_schema("users").empty_table(), {"users-0": 0})


EMPTY_LIST = b"<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>"


class Forgetful(http.server.BaseHTTPRequestHandler):
    """A store that takes every object, whatever the condition."""

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self._answer(200)

    def do_GET(self) -> None:
        is_list = "list-type" in self.path
        self._answer(200 if is_list else 404, EMPTY_LIST if is_list else b"")

    do_HEAD = do_DELETE = do_GET

    def _answer(self, status: int, body: bytes = b"") -> None:
        self.send_response(status)
        self.send_header("ETag", '"0"')
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def test_a_store_that_ignores_conditions_is_refused(
    bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with http.server.ThreadingHTTPServer((ports.LOOPBACK, 0), Forgetful) as forgetful:
        threading.Thread(target=forgetful.serve_forever, daemon=True).start()
        address = f"http://{ports.LOOPBACK}:{forgetful.server_port}"
        monkeypatch.setenv("AWS_ENDPOINT_URL", address)
        with pytest.raises(MovieRecommenderError, match="ignores conditional writes"):
            Lake(bucket).append("users", table_schema("users").empty_table(), {"users-0": 0})
        forgetful.shutdown()
