import json

import pytest

from movie_recommender.errors import ConfigurationError
from movie_recommender.orchestration import connections


def connection(**fields):
    from airflow.sdk import Connection

    extra = json.dumps(fields.pop("extra", {}))
    return Connection(conn_id="slack_default", conn_type="http", extra=extra, **fields)


URL = "https://hooks.slack.com/services/T/B/X"


@pytest.mark.parametrize(
    ("host", "token"),
    [
        ("hooks.slack.com", "T/B/X"),
        ("hooks.slack.com", "/services/T/B/X"),
        ("https://hooks.slack.com", "services/T/B/X"),
        ("https://hooks.slack.com/services/", "T/B/X"),
        ("hooks.slack.com/services", " /T/B/X "),
        (None, "T/B/X"),
        ("anything", URL),
    ],
)
def test_a_token_in_the_extra_field_gives_the_webhook(host, token):
    hook = connections.slack_hook(connection(host=host, extra={"webhook_token": token}))
    assert hook.client.url == URL
    assert hook.client.timeout == connections.TIMEOUT_S


def test_schema_and_port_of_the_connection_count():
    own = connection(host="relay", schema="http", port=81, extra={"webhook_token": "T/B/X"})
    assert connections.webhook_url(own) == "http://relay:81/services/T/B/X"


def test_the_providers_form_is_left_to_the_provider():
    own = connection(
        host="https://hooks.slack.com/services", password="T/B/X", extra={"webhook_token": "no"}
    )
    assert connections.webhook_url(own) is None
    assert connections.slack_hook(own).client.url == URL


def test_a_connection_without_token_names_the_remedy():
    with pytest.raises(ConfigurationError, match=r"has no token.*airflow connections add"):
        connections.webhook_url(connection(host="hooks.slack.com"))


def test_a_missing_connection_names_the_command_that_adds_it():
    with pytest.raises(connections.NotConnectedError, match="connections add nowhere --conn-type"):
        connections.find_connection("nowhere", connections.SLACK_REMEDY)


def test_the_connections_own_time_out_counts():
    own = connection(password="T/B/X", extra={"timeout": 3})
    assert connections.slack_hook(own).client.timeout == 3
