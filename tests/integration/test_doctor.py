"""The doctor before a real broker and a real MLflow server."""

from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from movie_recommender import kafka as plumbing
from movie_recommender.bundle import write_manifest
from movie_recommender.doctor import Case, Finding, clock
from movie_recommender.doctor import kafka as broker_check
from movie_recommender.doctor import mlflow as registry_check
from movie_recommender.events import CONTRACTS
from movie_recommender.local import broker, process
from movie_recommender.local.single_broker import SingleBroker
from movie_recommender.registry import Registry
from movie_recommender.registry.client import PRODUCTION
from movie_recommender.settings import Settings
from tests.conftest import JARS, own_settings

pytestmark = pytest.mark.integration


def case(settings: Settings) -> Case:
    return Case(settings, clock=lambda: datetime.now(UTC))


def by_name(findings: list[Finding]) -> dict[str, Finding]:
    return {finding.about: finding for finding in findings}


def test_a_broker_is_well_as_soon_as_it_has_the_topics(settings: Settings) -> None:
    found = by_name(broker_check.check(case(settings)))
    assert found["kafka"].status == "ok"
    assert found["kafka topics"].status == "warn"
    assert "kafka rights" not in found
    plumbing.ensure_topics(settings, dict.fromkeys(CONTRACTS, 2))
    found = by_name(broker_check.check(case(settings)))
    assert {finding.status for finding in found.values()} == {"ok"}
    assert f"{settings.kafka_topic_prefix}users has 2" in found["kafka topics"].seen
    assert "read and write each topic" in found["kafka rights"].seen


def test_a_right_that_the_broker_does_not_grant_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = broker._properties

    def with_rights(*arguments: object) -> str:
        return plain(*arguments) + (  # type: ignore[arg-type]
            "\nauthorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer"
            "\nallow.everyone.if.no.acl.found=true\n"
        )

    monkeypatch.setattr(broker, "_properties", with_rights)
    with SingleBroker(JARS, tmp_path / "kafka") as own:
        settings = own_settings(own.servers, tmp_path)
        plumbing.ensure_topics(settings, dict.fromkeys(CONTRACTS, 1))
        users = plumbing.topic_name(settings, "users")
        admin = AdminClient(plumbing.client_config(settings))
        binding = AclBinding(
            ResourceType.TOPIC,
            users,
            ResourcePatternType.LITERAL,
            "User:ANONYMOUS",
            "*",
            AclOperation.READ,
            AclPermissionType.ALLOW,
        )
        for answer in admin.create_acls([binding]).values():
            answer.result(timeout=10)

        def rights() -> Finding:
            return by_name(broker_check.check(case(settings)))["kafka rights"]

        # The broker hears of it from its controller a moment later.
        assert process.wait(lambda: rights().status == "fail", timeout_s=10)
        found = rights()
    assert found.seen == f"not granted: WRITE on {users}"
    assert "kafka-acls" in found.remedy


def test_mlflow_takes_artifacts_and_its_clock_is_ours(settings: Settings, mlflow: str) -> None:
    own = settings.model_copy(update={"mlflow_tracking_uri": mlflow, "model_name": "doctored"})
    found = by_name(mlflow_check(own))
    assert found["mlflow"].status == found["mlflow artifacts"].status == "ok"
    assert found["model"].status == "warn"
    assert "no version in production" in found["model"].seen
    kept = httpx.get(f"{mlflow}/api/2.0/mlflow-artifacts/artifacts").json()
    assert "doctor" not in str(kept)
    [told] = clock.check(case(own))
    assert told.status == "ok"


@pytest.mark.parametrize(("bundle_format", "status"), [(None, "ok"), (99, "fail")])
def test_the_bundle_in_production_is_one_that_this_version_reads(
    settings: Settings, mlflow: str, tmp_path: Path, bundle_format: int | None, status: str
) -> None:
    name = f"doctored-{bundle_format}"
    own = settings.model_copy(update={"mlflow_tracking_uri": mlflow, "model_name": name})
    bundle = tmp_path / "bundle"
    bundle.mkdir()
    (bundle / "weights").write_bytes(b"0")
    write_manifest(
        bundle,
        model_name=name,
        training_key="k",
        snapshot_id="s",
        as_of="2026-02-01T00:00:00+00:00",
        trained_until="2026-02-01T00:00:00+00:00",
        lake_versions={},
        code_version="0",
        config={},
        metrics={},
    )
    registry = Registry(own)
    run_id = registry.start_run("r", params={}, tags={})
    version = registry.register(run_id, bundle, tags={})
    registry.set_alias(PRODUCTION, version)
    if bundle_format is not None:
        manifest = (bundle / "manifest.json").read_text()
        newer = manifest.replace('"format": 3', f'"format": {bundle_format}')
        registry.log_text(run_id, newer, "bundle/manifest.json")
    found = by_name(mlflow_check(own))["model"]
    assert found.status == status
    assert f"version {version}" in found.seen or "bundle format 99" in found.seen


def mlflow_check(settings: Settings) -> list[Finding]:
    return registry_check.check(case(settings))
