import json
import os

import pytest
from airflow.sdk import Connection

from movie_recommender.errors import ConfigurationError
from movie_recommender.orchestration import object_store
from movie_recommender.settings import load_settings


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch):
    # Set before deleted, so that what a test exports is taken back.
    for name in (
        *("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_REGION"),
        *("AWS_ENDPOINT_URL", "AWS_ALLOW_HTTP", "AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE"),
        *("GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_SERVICE_ACCOUNT"),
    ):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


def connection(extra=None, **fields):
    return Connection(conn_id="c", conn_type="aws", extra=json.dumps(extra or {}), **fields)


def s3():
    return load_settings(data_lake_path="s3://bucket/lake")


def test_the_keys_of_an_aws_connection_reach_this_process():
    extra = {"region_name": "eu-central-1", "endpoint_url": "http://minio:9000"}
    found = connection(extra, login="key", password="hunter2")
    object_store.export(s3(), lambda _: found)
    assert os.environ["AWS_ACCESS_KEY_ID"] == "key"
    assert os.environ["AWS_SECRET_ACCESS_KEY"] == "hunter2"
    assert os.environ["AWS_REGION"] == "eu-central-1"
    assert os.environ["AWS_ENDPOINT_URL"] == "http://minio:9000"
    assert os.environ["AWS_ALLOW_HTTP"] == "true"


@pytest.mark.parametrize("own", ["AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_WEB_IDENTITY_TOKEN_FILE"])
def test_who_one_is_by_the_environment_no_connection_changes(own, monkeypatch):
    monkeypatch.setenv(own, "mine")
    asked = []
    object_store.export(s3(), asked.append)
    assert asked == []


def test_a_lake_on_a_disk_asks_for_no_connection():
    asked = []
    object_store.export(load_settings(data_lake_path="/data/events"), asked.append)
    assert asked == []


def test_a_connection_without_keys_leaves_the_machines_role():
    assert object_store.aws(connection()) == {}


@pytest.mark.parametrize("name", ["key_path", "extra__google_cloud_platform__key_path"])
def test_the_key_file_of_a_google_connection_reaches_this_process(name):
    settings = load_settings(data_lake_path="gs://bucket/lake")
    object_store.export(settings, lambda _: connection({name: "/run/secrets/key.json"}))
    assert os.environ["GOOGLE_APPLICATION_CREDENTIALS"] == "/run/secrets/key.json"


@pytest.mark.parametrize(
    ("mapped", "extra"),
    [
        (object_store.aws, {"role_arn": "arn:aws:iam::1:role/x"}),
        (object_store.aws, {"profile_name": "x"}),
        (object_store.google, {"keyfile_dict": '{"private_key": "hunter2"}'}),
    ],
)
def test_what_the_clients_do_not_know_is_refused_and_not_shown(mapped, extra):
    with pytest.raises(ConfigurationError, match=next(iter(extra))) as caught:
        mapped(connection(extra))
    assert "hunter2" not in str(caught.value)
