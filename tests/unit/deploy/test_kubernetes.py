"""Whether the cluster's files say what the package needs; deploy/check.py renders them."""

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from movie_recommender import pod_resources
from movie_recommender.events import CONTRACTS, PARTITIONS
from movie_recommender.settings import Settings, load_settings
from movie_recommender.simulation import progress
from tests.composition import ROOT, composition, instructions

KUBERNETES = ROOT / "deploy" / "kubernetes"
CHART = KUBERNETES / "chart"
VALUES: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text())
AIRFLOW: dict[str, Any] = yaml.safe_load((KUBERNETES / "airflow-values.yaml").read_text())
TEMPLATES = "\n".join(path.read_text() for path in (CHART / "templates").iterdir())


def kafka(name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((KUBERNETES / "kafka" / f"{name}.yaml").read_text()))


def test_the_settings_are_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = {"AWS_REGION"}
    assert {name.lower() for name in VALUES["settings"].keys() - elsewhere} <= set(
        Settings.model_fields
    )
    for name, value in VALUES["settings"].items():
        monkeypatch.setenv(name, str(value))
    load_settings()


def test_no_default_that_means_this_machine_is_left() -> None:
    local = {
        name.upper()
        for name, field in Settings.model_fields.items()
        if re.search(r"localhost|127\.0\.0\.1", str(field.default))
    }
    set_in_the_pod = set(re.findall(r"\{name: ([A-Z_]+), value", TEMPLATES))
    assert local <= VALUES["settings"].keys() | set_in_the_pod


def test_the_addresses_are_the_services_of_the_chart() -> None:
    services = set(re.findall(r"kind: Service\nmetadata:\n  name: (\S+)", TEMPLATES))
    urls = [VALUES["settings"][name] for name in ("MLFLOW_TRACKING_URI", "SERVING_URL")]
    assert {re.sub(r"https?://|:\d+$", "", url) for url in urls} <= services
    assert VALUES["settings"]["MLFLOW_TRACKING_URI"].split("//")[1] in VALUES["mlflow"][
        "allowedHosts"
    ].split(",")


def test_mlflow_is_what_the_composition_runs() -> None:
    """Whose commands and variables are tried by tests/integration/test_composition.py."""
    template = (CHART / "templates" / "mlflow.yaml").read_text()
    services = composition()["services"]
    sized = ("--workers=", "--artifacts-destination=")
    words = re.findall(r"^ {12}- (\S+|--\w.*)$", template, re.MULTILINE)
    server = services["mlflow"]["command"]
    assert [w for w in words if not w.startswith(sized)] == [
        word for word in server if not word.startswith(sized)
    ]
    assert f"args: [{', '.join(services['mlflow-init']['command'])}]" in template
    assert f"args: [{services['mlflow-database']['command'][0]}]" in template
    # What isn't set there has to be in the Secret, which values.yaml describes.
    described = (CHART / "values.yaml").read_text()
    for name, value in services["mlflow"]["environment"].items():
        variable = name.removeprefix("FILE__")
        if variable.startswith("AWS_") or variable in {"MLFLOW_S3_ENDPOINT_URL", "PGPORT"}:
            continue
        assert f"name: {variable}" in template or re.search(rf"\b{variable}\b", described), name
        assert variable != "MLFLOW_AUTH_CONFIG_PATH" or f"{variable}, value: {value}}}" in template


def test_everybody_logs_in_to_mlflow_as_himself() -> None:
    services = composition()["services"]
    for part in ("serving", "exporter"):
        template = (CHART / "templates" / f"{part}.yaml").read_text()
        user = services[part]["environment"]["MLFLOW_TRACKING_USERNAME"]
        assert f'include "mlflowUser" (dict "root" . "user" "{user}")' in template
    user = services["airflow-scheduler"]["environment"]["MLFLOW_TRACKING_USERNAME"]
    assert AIRFLOW["env"] == [{"name": "MLFLOW_TRACKING_USERNAME", "value": user}]
    assert AIRFLOW["secret"] == [
        {
            "envName": "MLFLOW_TRACKING_PASSWORD",
            "secretName": VALUES["mlflow"]["usersSecretName"],
            "secretKey": f"MLFLOW_{user.upper()}_PASSWORD",
        }
    ]


def test_tasks_that_ask_for_more_are_tasks() -> None:
    source = (ROOT / "dags" / "movie_recommender_pipeline.py").read_text()
    tasks = set(re.findall(r'task_id="(\w+)"', source))
    wanted = pod_resources.parse(VALUES["settings"]["TASK_RESOURCES"])
    assert "train_model" in wanted
    assert wanted.keys() <= tasks


def test_a_secret_is_no_setting_and_every_other_one_may_be() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    for name, field in Settings.model_fields.items():
        given = {**VALUES, "settings": {name.upper(): "x"}}
        refused = not jsonschema.validators.validator_for(schema)(schema).is_valid(given)
        assert refused == ("Secret" in str(field.annotation)), name


@pytest.mark.parametrize(
    "wrong",
    [
        {"setings": {}},
        {"settings": {"KAFKA_SASL_PASSWORD": "in clear"}},
        {"settings": {"SERVING_ADMIN_KEY": "in clear"}},
        {"settings": {"kafka_bootstrap_servers": "small"}},
        {"image": {"repository": "movie-recommender", "tag": "latest"}},
        {"image": {"repository": "movie-recommender", "digest": "abc"}},
        {"serving": {"workers": 0}},
        {"serving": {"ingress": {"enabled": True, "host": ""}}},
    ],
)
def test_wrong_values_are_refused(wrong: dict[str, Any]) -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    jsonschema.validate(VALUES, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**VALUES, **wrong}, schema)


def test_the_two_charts_agree() -> None:
    references = re.findall(r"name: (\S+)", AIRFLOW["extraEnvFrom"])
    assert references == ["movie-recommender", VALUES["secretName"]]
    volumes = {volume["name"]: volume for volume in AIRFLOW["volumes"]}
    assert volumes["data"]["persistentVolumeClaim"]["claimName"] in TEMPLATES
    assert volumes["kafka-ca"]["secret"]["secretName"] == VALUES["kafkaCaSecretName"]
    mounts = {mount["name"]: mount["mountPath"] for mount in AIRFLOW["volumeMounts"]}
    assert Path(VALUES["settings"]["FEATURE_STORE_PATH"]).parent == Path(mounts["data"])
    assert Path(VALUES["settings"]["KAFKA_SSL_CA_LOCATION"]).parent == Path(mounts["kafka-ca"])


def test_the_versions_agree() -> None:
    pinned = dict(re.findall(r"^([a-z-]+)==(\S+)$", (ROOT / "requirements.in").read_text(), re.M))
    assert AIRFLOW["airflowVersion"] == pinned["apache-airflow"]
    version = re.findall(r'^version = "(.+)"', (ROOT / "pyproject.toml").read_text(), re.M)
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert [chart["appVersion"]] == [AIRFLOW["defaultAirflowTag"]] == version


def test_nobody_gets_in_by_a_default() -> None:
    assert AIRFLOW["createUserJob"]["enabled"] is False
    assert AIRFLOW["postgresql"]["enabled"] is False
    assert {"fernetKeySecretName", "apiSecretKeySecretName", "jwtSecretName"} <= AIRFLOW.keys()


def test_what_the_chart_takes_from_airflows_own_image_is_here_or_off() -> None:
    # Its probes call /entrypoint, its sidecars /clean-logs.
    assert "deploy/image/entrypoint /entrypoint" in instructions("COPY")
    for part in ("scheduler", "triggerer", "dagProcessor"):
        groomer = AIRFLOW[part]["logGroomerSidecar"]
        assert groomer.get("enabled") is False or "/clean-logs" not in groomer["args"]
    # Not only of the components: of the tasks' pods, too.
    assert AIRFLOW["defaultAirflowRepository"] == VALUES["image"]["repository"]


def test_tasks_reach_the_api_server_through_its_network_policy() -> None:
    allowed = AIRFLOW["apiServer"]["networkPolicy"]["ingress"]["from"]
    assert {"podSelector": {"matchLabels": VALUES["networkPolicy"]["airflow"]}} in allowed


def test_topics_and_rights_are_those_of_the_contracts() -> None:
    topics = {
        topic["spec"].get("topicName", topic["metadata"]["name"]): topic["spec"]["partitions"]
        for topic in kafka("topics")
    }
    assert topics == {**dict.fromkeys(CONTRACTS, PARTITIONS), progress.TOPIC: 1}
    users = {user["metadata"]["name"]: user["spec"] for user in kafka("users")}
    assert VALUES["settings"]["KAFKA_SASL_USERNAME"] in users
    assert {user["authentication"]["type"] for user in users.values()} == {"scram-sha-512"}
    writes = {
        acl["resource"]["name"]
        for acl in users["application"]["authorization"]["acls"]
        if "Write" in acl["operations"]
    }
    assert writes == CONTRACTS.keys()
    assert not any("Read" in a["operations"] for a in users["application"]["authorization"]["acls"])


def test_everything_of_kafka_is_of_one_cluster() -> None:
    everything = [*kafka("kafka"), *kafka("topics"), *kafka("users")]
    (cluster,) = [each["metadata"]["name"] for each in everything if each["kind"] == "Kafka"]
    labels = [each["metadata"]["labels"] for each in everything if each["kind"] != "Kafka"]
    assert labels == [{"strimzi.io/cluster": cluster}] * len(labels)
    servers = VALUES["settings"]["KAFKA_BOOTSTRAP_SERVERS"]
    assert servers == f"{cluster}-kafka-bootstrap.kafka:9093"  # in the namespace kafka
