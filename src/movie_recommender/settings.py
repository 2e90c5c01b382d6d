"""Every environment variable, one typed place.

`load_settings()` is called once at a door and the result is passed down; no room reads the
environment. A wrong value stops the program with the variable's name, its value and the allowed
form.
"""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
)
from pydantic_settings import BaseSettings, EnvSettingsSource, SettingsConfigDict

from movie_recommender.errors import ConfigurationError

_HOST = r"(?:\[[0-9A-Fa-f:]+\]|[A-Za-z0-9._-]+)"
_BROKER = re.compile(rf"{_HOST}:(\d{{1,5}})")
_URL = re.compile(rf"https?://{_HOST}(?::(\d{{1,5}}))?(?:/\S*)?")
_BUCKET = re.compile(r"(?:s3|s3a|gs)://[A-Za-z0-9._-]+(?:/.*)?")
_CREDENTIALS = re.compile(r"(?<=//)\S*@|[^\s,/@'\"]+:(?!//)\S*@")


def _has_port(match: re.Match[str] | None) -> bool:
    """Whether it matched, and the port, where there is one, exists."""
    return match is not None and (match[1] is None or 0 < int(match[1]) < 65536)


def _brokers(value: str) -> str:
    brokers = [part.strip() for part in value.split(",")]
    for broker in brokers:
        if not _has_port(_BROKER.fullmatch(broker)):
            message = f"{broker!r} isn't HOST:PORT (several: HOST:PORT,HOST:PORT)"
            raise ValueError(message)
    return ",".join(brokers)


def _lake_path(value: str) -> str:
    local = value.startswith("file:///") or (value and not urlsplit(value).scheme)
    if not local and not _BUCKET.fullmatch(value):
        # No user:password@ either: an address is shown, in logs and by `describe`.
        message = "expected a directory, s3://BUCKET/PREFIX or gs://BUCKET/PREFIX"
        raise ValueError(message)
    return value


def _on_a_disk(value: object) -> object:
    # Path would turn s3://bucket/file into the directory `s3:`, and nobody would notice.
    if "://" in str(value):
        message = "expected a path on a disk that every task can reach"
        raise ValueError(message)
    return value


def _http_url(value: str) -> str:
    if not _has_port(_URL.fullmatch(value)):
        message = (
            "expected http://HOST:PORT or https://HOST:PORT; MLflow's user and password go into "
            "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
        )
        raise ValueError(message)
    return value.rstrip("/")


def _optional_http_url(value: str) -> str:
    return _http_url(value) if value else value


def _topic_prefix(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._-]{0,100}", value):
        message = "expected at most 100 letters, digits, '.', '_' and '-'"
        raise ValueError(message)
    return value


def _numbers(value: str) -> str:
    try:
        found = json.loads(value)
    except ValueError:
        found = None
    if not isinstance(found, dict) or not all(_is_finite(each) for each in found.values()):
        message = 'expected a JSON object of finite numbers, as in {"dropout": 0.3, "dim": 64}'
        raise ValueError(message)
    return json.dumps(found)


def _is_finite(value: object) -> bool:
    # Not isinstance: true is an int. And Python's JSON knows NaN and Infinity.
    return type(value) in (int, float) and math.isfinite(value)  # type: ignore[arg-type]


def _origins(value: str) -> str:
    origins = [part.strip() for part in value.split(",")] if value else []
    for origin in origins:
        if origin != "*" and not (_has_port(_URL.fullmatch(origin)) and origin.count("/") == 2):
            message = f"{origin!r} isn't https://HOST or https://HOST:PORT, nor *"
            raise ValueError(message)
    return ",".join(origins)


HttpUrl = Annotated[str, AfterValidator(_http_url)]
DiskPath = Annotated[Path, BeforeValidator(_on_a_disk)]
Secret32 = Annotated[SecretStr, Field(min_length=32)]
"""As long as the hash that is made with it (RFC 7518, 3.2)."""
Share = Annotated[float, Field(ge=0.0, le=1.0)]


class Settings(BaseSettings):
    """The settings of one process; each field is the environment variable of the same name."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

    kafka_bootstrap_servers: Annotated[str, AfterValidator(_brokers)] = "localhost:9092"
    """Kafka brokers, HOST:PORT separated by commas."""
    kafka_topic_prefix: Annotated[str, AfterValidator(_topic_prefix)] = ""
    """Put before each topic's name, so that several deployments can share a broker."""
    kafka_timeout_s: Annotated[float, Field(gt=0, le=3600)] = 60.0
    """Longest wait for the broker to answer, in seconds."""
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    kafka_sasl_mechanism: (
        Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"] | None
    ) = None
    kafka_sasl_username: str | None = None
    kafka_sasl_password: SecretStr | None = None
    kafka_ssl_ca_location: Path | None = None
    kafka_ssl_certificate_location: Path | None = None
    kafka_ssl_key_location: Path | None = None
    kafka_ssl_key_password: SecretStr | None = None

    data_lake_path: Annotated[str, AfterValidator(_lake_path)] = "/data/events"
    """Root of the Delta tables: a directory, s3://… or gs://…."""
    lake_retention_days: Annotated[int, Field(ge=7, le=3650)] = 30
    """How long files of old table versions are kept, for readers and for time travel."""
    lake_care_budget_s: Annotated[float, Field(ge=0, le=36_000)] = 60.0
    """After extraction, begin to rewrite days in many small files for so many seconds; 0: don't."""
    max_dead_letter_share: Share = 0.05
    """Extraction fails, after landing what is valid, when more of the messages are rejected."""
    feature_store_path: DiskPath = Path("/data/features/feature_store.duckdb")
    """The published DuckDB file of the feature store."""
    history_loaded_until: AwareDatetime | None = None
    """What arrived in the lake up to then counts as arrived in time; None: up to the end of the UTC
    day on which the lake got its first rows."""
    mlflow_tracking_uri: HttpUrl = "http://localhost:5000"
    """The MLflow server; model registry and experiment store."""
    mlflow_timeout_s: Annotated[int, Field(gt=0, le=600)] = 30
    """Longest wait for one answer of the MLflow server, in seconds."""
    model_name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,100}$")] = "movie-recommender"
    """Name of the registered model and of the experiment."""

    mlflow_tracking_username: str | None = None
    mlflow_tracking_password: SecretStr | None = None

    serving_url: Annotated[str, AfterValidator(_optional_http_url)] = ""
    """Where serving answers; promotion waits for it. Empty: promote only."""
    serving_timeout_s: Annotated[float, Field(gt=0, le=3600)] = 60.0
    """How long promotion waits until serving answers with the new version, in seconds."""
    serving_host: Annotated[str, Field(min_length=1)] = "127.0.0.1"
    """The address that serving listens on; 0.0.0.0: every one."""
    serving_port: Annotated[int, Field(ge=1, le=65535)] = 8000
    serving_workers: Annotated[int, Field(ge=1, le=256)] = 2
    """Processes that answer; one for each core."""
    serving_cache_dir: DiskPath = Path("/data/serving")
    """Where bundles, contacts and confirmed feedback are kept; a folder for each model."""
    serving_reload_s: Annotated[float, Field(gt=0, le=3600)] = 2.0
    """How often serving asks MLflow for the production version, in seconds."""
    serving_queue: Annotated[int, Field(ge=1, le=100_000)] = 128
    """Requests that wait in a worker at most; above it 503 with Retry-After."""
    serving_max_body_bytes: Annotated[int, Field(ge=1024, le=100_000_000)] = 65_536
    serving_feedback_timeout_s: Annotated[float, Field(ge=1, le=300)] = 5.0
    """How long feedback waits for Kafka's confirmation, in seconds; then 503 with Retry-After."""
    serving_client_timeout_s: Annotated[float, Field(gt=0, le=3600)] = 10.0
    """How long a client may take to send a request's head, and again its body, in seconds."""
    serving_admin_key: SecretStr | None = None
    """The key of an administrator, in the header X-Admin-Key; without any, /admin is closed."""
    serving_api_keys: SecretStr | None = None
    """Keys as ID:SCOPES:KEY, apart by spaces; see docs/serving.md. Empty: reading is open."""
    serving_api_keys_file: DiskPath | None = None
    """The same, a key on each line."""
    serving_jwt_secret: Secret32 | None = None
    """Tokens that this secret has signed (HS256) are keys, too."""
    serving_jwt_jwks_file: DiskPath | None = None
    """Tokens that a key of this JSON web key set has signed (RS256, ES256) are keys, too."""
    serving_jwt_issuer: str | None = None
    serving_jwt_audience: str | None = None
    serving_jwt_scope_claim: Annotated[str, Field(min_length=1)] = "scope"
    """The claim that names a token's scopes: apart by spaces, or in a list."""
    serving_session_secret: Secret32 | None = None
    """Signs the cookies of who signs in on the page; None: drawn at each start, by each server."""
    serving_metrics_guarded: bool = False
    """Whether /metrics needs a key with the scope read, where reading needs one."""
    serving_client_key: SecretStr | None = None
    """The key, with the scope read, by which promotion asks SERVING_URL."""
    serving_cors_origins: Annotated[str, AfterValidator(_origins)] = ""
    """Other sites whose scripts may use the API, https://HOST[:PORT] by commas, or *; empty: none.
    """
    serving_rate_limit: Annotated[float, Field(ge=0, le=1_000_000)] = 0.0
    """Requests a second of one key, or else one address, in each worker; above it 429; 0: any."""
    serving_rate_burst: Annotated[int, Field(ge=1, le=1_000_000)] = 100
    """How many of them may come at once."""

    otel_exporter_otlp_endpoint: str = ""
    """The OpenTelemetry collector (OTLP over HTTP) that serving sends traces to; empty: none."""
    otel_exporter_otlp_traces_endpoint: str = ""
    """The same, the whole address for traces; goes first."""

    data_source: Literal["synthetic", "movielens", "none"] = "synthetic"
    """Where events come from; none: a real application sends them."""
    movielens_path: DiskPath | None = None
    """The MovieLens folder that DATA_SOURCE=movielens replays."""
    simulation_seed: Annotated[int, Field(ge=0, lt=2**63)] = 42
    simulation_users: Annotated[int, Field(ge=1, le=100_000_000)] = 6_000
    simulation_movies: Annotated[int, Field(ge=20, le=10_000_000)] = 4_000
    simulation_dirt: str = "default"
    """What goes wrong on the way to Kafka: default, none, or rates as in late=0.01,malformed=0.001.
    """
    simulation_history_days: Annotated[int, Field(ge=0, le=3650)] = 30
    """Days of history that the first run on an empty world sends besides its own day."""

    engine: Literal["duckdb"] = "duckdb"
    """What runs extraction and features."""

    gate_min_auc: Share = 0.75
    gate_min_ndcg_at_10: Share = 0.50
    gate_min_hit_rate_at_10: Share = 0.40
    gate_min_coverage: Share = 0.05
    """Share of the movies that all judged users' lists could hold, which they must hold."""
    gate_max_loss: Share = 0.01
    """NDCG@10 that a candidate may be behind production on average: the noise of one window."""
    gate_max_slice_loss: Share = 0.05
    """The same for a slice of at least 100 users, where the loss is certain."""
    evaluation_window_days: Annotated[int, Field(ge=1, le=365)] = 3
    """Days of newest events that a model is judged on; as many before them are for validation."""
    evaluation_min_users: Annotated[int, Field(ge=1)] = 100
    """The window is widened backwards until this many users have a positive in it."""

    training_seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    training_epochs: Annotated[int, Field(ge=1, le=1000)] = 28
    training_threads: Annotated[int, Field(ge=0, le=1024)] = 0
    """Threads of the training; 0: one, or one for each core where the data keep them busy."""
    training_constants: Annotated[str, AfterValidator(_numbers)] = "{}"
    """Constants of the training that replace its defaults, as `tune` prints them: a JSON object."""

    alert_email: Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+$")] = (
        "ml-platform-alerts@example.com"
    )
    """Who gets the e-mail about a failed run."""
    slack_conn_id: str = "slack_default"
    smtp_conn_id: str = "smtp_default"


def load_settings(**overrides: Any) -> Settings:
    """The settings from the environment, `overrides` (by field name) going first.

    Raises:
        ConfigurationError: a variable is wrong; names each, its value and the allowed form.
    """
    try:
        return Settings(**overrides)
    except ValidationError as error:
        raise ConfigurationError(_explain(error)) from None


def _explain(error: ValidationError) -> str:
    lines = []
    for item in error.errors():
        name = str(item["loc"][0])
        field = Settings.model_fields.get(name)
        secret = field is not None and "SecretStr" in str(field.annotation)
        value = "(hidden)" if secret else repr(item["input"])
        reason = item["msg"].removeprefix("Value error, ")
        # An address may carry a password, and the reason repeats the value.
        lines.append(_CREDENTIALS.sub("(hidden)@", f"{name.upper()}={value}: {reason}"))
    return "\n".join([*lines, "Correct the environment variable and run again."])


@dataclass(frozen=True)
class AlertContacts:
    """Where alerts go: an address and two of Airflow's connection ids."""

    alert_email: str
    slack_conn_id: str
    smtp_conn_id: str


def alert_contacts() -> AlertContacts:
    """Where alerts go, from the environment, whatever is wrong with the other variables.

    Nothing is validated: the alert that says which variable is wrong must still arrive.
    """
    values = EnvSettingsSource(Settings)()

    def value(name: str) -> str:
        return str(values.get(name) or Settings.model_fields[name].default)

    return AlertContacts(
        alert_email=value("alert_email"),
        slack_conn_id=value("slack_conn_id"),
        smtp_conn_id=value("smtp_conn_id"),
    )


def describe(settings: Settings) -> Mapping[str, str]:
    """Every variable's name and value in effect, secrets hidden."""
    return {name.upper(): str(getattr(settings, name)) for name in type(settings).model_fields}
