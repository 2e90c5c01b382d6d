"""Whether MLflow answers, knows this user, takes artifacts, and has a bundle that can be read."""

import tempfile
import uuid
from contextlib import closing
from pathlib import Path

import httpx

from movie_recommender.doctor.finding import PATIENCE_S, Case, Finding, refused
from movie_recommender.errors import MovieRecommenderError
from movie_recommender.serving.registry_api import RegistryApi
from movie_recommender.settings import Settings

_EXPERIMENTS = "/api/2.0/mlflow/experiments/search"
_ARTIFACTS = "/api/2.0/mlflow-artifacts/artifacts"
_LOGIN = (
    "Set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or login and password of the "
    "Connection; see that the user may read and edit the model and the experiment."
)


def check(case: Case) -> list[Finding]:
    """The server, the artifacts behind it, the bundle in production."""
    settings = case.hurried
    with _client(settings) as client:
        try:
            version = client.get("/version").raise_for_status().text[:40]
            client.get(_EXPERIMENTS, params={"max_results": 1}).raise_for_status()
        except httpx.HTTPStatusError as error:
            return [_refusal(settings, error.response)]
        except httpx.HTTPError as error:
            text = f"no server answers at MLFLOW_TRACKING_URI={settings.mlflow_tracking_uri}"
            remedy = "Start it, or correct the variable or the Connection."
            return [Finding("mlflow", "fail", f"{text}: {error!r:.200}", remedy)]
        who = settings.mlflow_tracking_username or "nobody, and isn't asked who it is"
        seen = f"{settings.mlflow_tracking_uri} answers, version {version}; logged in as {who}"
        return [Finding("mlflow", "ok", seen), _artifacts(client), _bundle(settings)]


def _client(settings: Settings) -> httpx.Client:
    user, password = settings.mlflow_tracking_username, settings.mlflow_tracking_password
    auth = None if user is None or password is None else (user, password.get_secret_value())
    return httpx.Client(base_url=settings.mlflow_tracking_uri, timeout=PATIENCE_S, auth=auth)


def _refusal(settings: Settings, answer: httpx.Response) -> Finding:
    status = f"{answer.status_code} {answer.reason_phrase}"
    login = answer.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN)
    remedy = _LOGIN if login else "See that this is the address of an MLflow server, and its log."
    text = f"MLFLOW_TRACKING_URI={settings.mlflow_tracking_uri} answers {status}"
    return Finding("mlflow", "fail", text, remedy)


def _artifacts(client: httpx.Client) -> Finding:
    """Upload a small file by way of the server, as training does; read it; delete it."""
    folder = f"{_ARTIFACTS}/movie-recommender-doctor-{uuid.uuid4().hex}"
    content = b"written by `movie-recommender doctor`, which deletes it at once"
    try:
        client.put(f"{folder}/probe", content=content).raise_for_status()
        try:
            found = client.get(f"{folder}/probe").raise_for_status().content
        finally:
            client.delete(folder).raise_for_status()
    except httpx.HTTPError as error:
        reply = error.response.text[:200] if isinstance(error, httpx.HTTPStatusError) else ""
        remedy = (
            "Start the server with --serve-artifacts and an --artifacts-destination that it may "
            "write, with the keys of a bucket in the server's environment."
        )
        return Finding("mlflow artifacts", "fail", f"{error} {reply}".strip(), remedy)
    if found != content:
        remedy = "See what keeps the artifacts; bundles would be damaged there."
        return Finding("mlflow artifacts", "fail", "another content came back", remedy)
    return Finding("mlflow artifacts", "ok", "a file was written, read and deleted by way of it")


def _bundle(settings: Settings) -> Finding:
    """Whether the production model is one that this version reads."""
    try:
        with closing(RegistryApi(settings)) as api, tempfile.TemporaryDirectory() as folder:
            production = api.production()
            files = [] if production is None else api.look(production, Path(folder))
    except MovieRecommenderError as error:
        return refused("model", error)
    if production is None:
        text = f"model {settings.model_name} has no version in production"
        return Finding("model", "warn", text, "Nothing, before the first run that passes the gate.")
    text = f"version {production.version} is in production, a bundle of {len(files)} files"
    return Finding("model", "ok", f"{text} that this version reads")
