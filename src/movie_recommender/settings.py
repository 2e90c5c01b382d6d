"""Every setting, one typed place.

`load_settings()` is called once at a door and the result is passed down; no room reads the
environment. The environment goes first; then what a door has found elsewhere, such as Airflow's
Variables and Connections; then the default. A wrong value stops the program with its name, the
value and the allowed form.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, Field, PrivateAttr, SecretStr, ValidationError
from pydantic_settings import BaseSettings, EnvSettingsSource, SettingsConfigDict

from movie_recommender import pod_resources
from movie_recommender.durations import in_words
from movie_recommender.errors import ConfigurationError
from movie_recommender.forms import (
    Brokers,
    DiskPath,
    HttpUrl,
    LakePath,
    Numbers,
    OptionalHttpUrl,
    Origins,
    Secret32,
    Share,
    Sla,
    StorePath,
    TaskResources,
    TopicPrefix,
    TrainingDay,
)
from movie_recommender.pod_resources import PodResources
from movie_recommender.sources import Layer, Source, chosen, explain


class Settings(BaseSettings):
    """The settings of one process; each field is the environment variable of the same name."""

    model_config = SettingsConfigDict(
        frozen=True, extra="ignore", env_ignore_empty=True, use_attribute_docstrings=True
    )

    _sources: Mapping[str, Source] = PrivateAttr(default_factory=dict)

    kafka_bootstrap_servers: Brokers = "localhost:9092"
    """Kafka brokers, HOST:PORT separated by commas."""
    kafka_topic_prefix: TopicPrefix = ""
    """Put before each topic's name, so that several deployments can share a broker."""
    kafka_timeout_s: Annotated[float, Field(gt=0, le=3600)] = 60.0
    """Longest wait for the broker to answer, in seconds."""
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    """How the broker is spoken to."""
    kafka_sasl_mechanism: (
        Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"] | None
    ) = None
    """How this client logs in to the broker."""
    kafka_sasl_username: str | None = None
    """The user that it logs in as."""
    kafka_sasl_password: SecretStr | None = None
    kafka_ssl_ca_location: Path | None = None
    """File of the authorities that sign the broker's certificate."""
    kafka_ssl_certificate_location: Path | None = None
    """File of this client's certificate."""
    kafka_ssl_key_location: Path | None = None
    """File of this client's private key."""
    kafka_ssl_key_password: SecretStr | None = None

    data_lake_path: LakePath = "/data/events"
    """Root of the Delta tables: a directory, s3://… or gs://…."""
    lake_retention_days: Annotated[int, Field(ge=7, le=3650)] = 30
    """How long files of old table versions are kept, for readers and for time travel."""
    lake_care_budget_s: Annotated[float, Field(ge=0, le=36_000)] = 60.0
    """After extraction, begin to rewrite days in many small files for so many seconds; 0: don't."""
    max_dead_letter_share: Share = 0.05
    """Extraction fails, after landing what is valid, when more of the messages are rejected."""
    feature_store_path: StorePath = Path("/data/features/feature_store.duckdb")
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
    """For an MLflow server that asks who one is."""
    mlflow_tracking_password: SecretStr | None = None

    serving_url: OptionalHttpUrl = ""
    """Where serving answers; promotion waits for it. Empty: promote only."""
    serving_timeout_s: Annotated[float, Field(gt=0, le=3600)] = 60.0
    """How long promotion waits until serving answers with the new version, in seconds."""
    serving_host: Annotated[str, Field(min_length=1)] = "127.0.0.1"
    """The address that serving listens on; 0.0.0.0: every one."""
    serving_port: Annotated[int, Field(ge=1, le=65535)] = 8000
    """The port that it listens on."""
    serving_workers: Annotated[int, Field(ge=1, le=256)] = 2
    """Processes that answer; one for each core."""
    serving_cache_dir: DiskPath = Path("/data/serving")
    """Where bundles, contacts and confirmed feedback are kept; a folder for each model."""
    serving_reload_s: Annotated[float, Field(gt=0, le=3600)] = 2.0
    """How often serving asks MLflow for the production version, in seconds."""
    serving_queue: Annotated[int, Field(ge=1, le=100_000)] = 64
    """Requests that wait in a worker at most; above it 503 with Retry-After."""
    serving_max_body_bytes: Annotated[int, Field(ge=1024, le=100_000_000)] = 65_536
    """A larger request is refused."""
    serving_feedback_timeout_s: Annotated[float, Field(ge=1, le=300)] = 5.0
    """How long feedback waits for Kafka's confirmation, in seconds; then 503 with Retry-After."""
    serving_shadow_share: Annotated[float, Field(ge=0, le=1)] = 0.1
    """Share of the lists that the version with the alias `shadow` ranks, too; 0: none."""
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
    """Who has issued a token that counts."""
    serving_jwt_audience: str | None = None
    """For whom it must be meant."""
    serving_jwt_scope_claim: Annotated[str, Field(min_length=1)] = "scope"
    """The claim that names a token's scopes: apart by spaces, or in a list."""
    serving_session_secret: Secret32 | None = None
    """Signs the cookies of who signs in on the page; None: drawn at each start, by each server."""
    serving_metrics_guarded: bool = False
    """Whether /metrics needs a key with the scope read, where reading needs one."""
    serving_client_key: SecretStr | None = None
    """The key, with the scope read, by which promotion asks SERVING_URL."""
    serving_cors_origins: Origins = ""
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
    """Same seed and date: same events."""
    simulation_users: Annotated[int, Field(ge=1, le=100_000_000)] = 6_000
    """Users of the simulated world."""
    simulation_movies: Annotated[int, Field(ge=20, le=10_000_000)] = 4_000
    """Movies of the simulated world."""
    simulation_dirt: str = "default"
    """What goes wrong on the way to Kafka: default, none, or rates as in late=0.01,malformed=0.001.
    """
    simulation_history_days: Annotated[int, Field(ge=0, le=3650)] = 30
    """Days of history that the first run on an empty world sends besides its own day."""

    engine: Literal["duckdb"] = "duckdb"
    """What runs extraction and features."""

    gate_min_auc: Share = 0.75
    """AUC that a model must reach to go into production."""
    gate_min_ndcg_at_10: Share = 0.50
    """NDCG@10 against 99 sampled movies that it must reach."""
    gate_min_hit_rate_at_10: Share = 0.40
    """Hit rate at 10 against 99 sampled movies that it must reach."""
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

    training_day: TrainingDay = "sunday"
    """When runs train: on a weekday (UTC), daily, or never but when forced or without a model."""
    training_seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    """Same seed, same data: same model."""
    training_epochs: Annotated[int, Field(ge=1, le=1000)] = 28
    """Passes over the training examples."""
    training_threads: Annotated[int, Field(ge=0, le=1024)] = 0
    """Threads of the training; 0: one, or one for each core where the data keep them busy."""
    training_device: Literal["cpu", "cuda"] = "cpu"
    """Where the training computes: on the CPU, or on a GPU, which is quicker for large data."""
    training_constants: Numbers = "{}"
    """Constants of the training that replace its defaults, as `tune` prints them: a JSON object."""

    alert_email: Annotated[str, Field(pattern=r"^[^@\s]+@[^@\s]+$")] = (
        "ml-platform-alerts@example.com"
    )
    """Who gets the e-mail about a failed run."""
    slack_conn_id: str = "slack_default"
    """Airflow's connection to Slack."""
    smtp_conn_id: str = "smtp_default"
    """Airflow's connection to the mail server."""
    apprise_conn_id: str = "apprise_default"
    """Airflow's connection whose password is Apprise's URLs."""
    alert_channels: Annotated[str, Field(pattern=r"^[a-z_]+(,[a-z_]+)*$")] = "slack,mail"
    """Where failures and SLA misses go, and who stands in for whom: slack, mail, apprise."""
    alert_patience_s: Annotated[float, Field(ge=0, le=600)] = 60.0
    """How long a channel that refuses is tried before the next one, in seconds."""
    alert_outbox: DiskPath | None = None
    """Folder of the alerts that wait for a channel, shared by workers and triggerers; None:
    `alerts` beside the feature store."""
    kafka_conn_id: str = "kafka_default"
    """Airflow's connection to Kafka, for tasks whose environment has no KAFKA_BOOTSTRAP_SERVERS."""
    mlflow_conn_id: str = "mlflow_default"
    """Airflow's connection to MLflow, for tasks whose environment has no MLFLOW_TRACKING_URI."""
    aws_conn_id: str = "aws_default"
    """Airflow's connection with the keys of a lake in s3://, where the environment has none."""
    google_conn_id: str = "google_cloud_default"
    """Airflow's connection with the key file of a lake in gs://, where the environment has none."""

    sla_generate_synthetic_data: Sla = timedelta(hours=2)
    """Longest time for the task from its start, then it is alerted: 2h, 90min, 1h 30min."""
    sla_extract_events: Sla = timedelta(hours=1)
    """The same for this task."""
    sla_compute_features: Sla = timedelta(hours=3)
    """The same for this task."""
    sla_train_model: Sla = timedelta(hours=4)
    """The same for this task."""
    sla_evaluate_model: Sla = timedelta(hours=1)
    """The same for this task."""
    sla_deploy_model: Sla = timedelta(hours=1)
    """The same for this task."""
    sla_run: Sla = timedelta(hours=6)
    """Longest time for a run from being queued, then it is alerted."""
    retry_delay_s: Annotated[float, Field(ge=0, le=86_400)] = 300.0
    """How long a task that has failed waits before it is tried again, in seconds."""

    task_resources: TaskResources = "{}"
    """On Kubernetes: a task's cpu, memory and gpu where the default isn't enough; a JSON object."""

    def source(self, name: str) -> Source:
        """Where the value of the field `name` comes from."""
        return self._sources.get(name, "default")

    airflow_api_url: OptionalHttpUrl = ""
    """Where Airflow's API answers, for `status` and the exporter. Empty: they leave Airflow out."""
    airflow_api_username: str | None = None
    """Who asks it; empty where everybody may, as in the local stack."""
    airflow_api_password: SecretStr | None = None
    exporter_host: Annotated[str, Field(min_length=1)] = "127.0.0.1"
    """The address that the exporter listens on; 0.0.0.0: every one."""
    exporter_port: Annotated[int, Field(ge=1, le=65535)] = 9610
    """The port that it listens on."""
    exporter_interval_s: Annotated[float, Field(ge=1, le=3600)] = 60.0
    """How often the exporter looks at lake, Kafka, features, models, serving and Airflow."""
    max_age_hours: Annotated[float, Field(gt=0, le=8760)] = 36.0
    """From which age on the lake's newest rows, the features and the last run need care."""
    max_model_age_days: Annotated[float, Field(gt=0, le=3650)] = 15.0
    """The same for the production model: two Sundays' trainings have brought nothing better."""


def load_settings(*layers: Layer, **overrides: Any) -> Settings:
    """The settings: `overrides` (by field name), the environment, `layers` in turn, the defaults.

    Raises:
        ConfigurationError: a value is wrong; names each, its place and the allowed form.
    """
    try:
        return _load(layers, overrides)
    except ValidationError as error:
        raise ConfigurationError(_explained(error, layers)) from None


def usable_settings(*layers: Layer) -> tuple[Settings, str | None]:
    """The settings, a wrong value giving way to its default; and what is wrong, if anything is.

    For what must go on all the same: the look at what is late, and the look at what is wrong.
    """
    try:
        return _load(layers, {}), None
    except ValidationError as error:
        wrong = {str(item["loc"][0]) for item in error.errors()}
        defaults = {name: Settings.model_fields[name].default for name in wrong}
        return _load(layers, defaults), _explained(error, layers)


def _load(layers: Sequence[Layer], overrides: Mapping[str, Any]) -> Settings:
    environment = EnvSettingsSource(Settings)()
    taken_from = chosen(layers, besides={*environment, *overrides})
    values: dict[str, Any] = {name: layer.values[name] for name, layer in taken_from.items()}
    settings = Settings(**values, **overrides)
    settings._sources = {
        **dict.fromkeys(environment, "environment"),
        **{name: layer.source for name, layer in taken_from.items()},
        **dict.fromkeys(overrides, "argument"),
    }
    return settings


def _explained(error: ValidationError, layers: Sequence[Layer]) -> str:
    taken_from = chosen(layers, besides=EnvSettingsSource(Settings)())
    return explain(error, Settings.model_fields, taken_from)


def task_resources() -> Mapping[str, PodResources]:
    """What the pods of tasks ask for, from the environment; nothing where the variable is wrong.

    It is read where the DAG is, which must stay readable: each task says what is wrong, and is
    alerted.
    """
    given = EnvSettingsSource(Settings)().get("task_resources")
    try:
        return pod_resources.parse(str(given or "{}"))
    except ValueError:
        return {}


def describe(settings: Settings) -> Mapping[str, str]:
    """Every setting's name and value in effect, secrets hidden."""
    return {name.upper(): shown(getattr(settings, name)) for name in type(settings).model_fields}


def shown(value: object) -> str:
    """A setting's value as it is written, nothing for None; a secret hidden."""
    if value is None:
        return ""
    return in_words(value) if isinstance(value, timedelta) else str(value)
