"""The forms of settings' values: what is allowed, and the sentence that says so."""

import json
import math
import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

from movie_recommender import pod_resources
from movie_recommender.durations import duration

_HOST = r"(?:\[[0-9A-Fa-f:]+\]|[A-Za-z0-9._-]+)"
_BROKER = re.compile(rf"{_HOST}:(\d{{1,5}})")
_URL = re.compile(rf"https?://{_HOST}(?::(\d{{1,5}}))?(?:/\S*)?")
_BUCKET = re.compile(r"(?:s3|s3a|gs)://[A-Za-z0-9._-]+(?:/.*)?")

_NOT_IN_A_LAKE = re.compile(r"[][^|\\\x00-\x1f\x7f]|%[0-9A-Fa-f]{2}")
"""Where delta-rs, which makes an address of a path, stops or goes to another one."""
_NOT_IN_A_STORE = re.compile(r"[?\\]")
"""What DuckDB writes another file's name at, or takes for a folder's end."""


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
    path = value.removeprefix("file://")
    _without(_NOT_IN_A_LAKE, path if "://" in path else Path(path).absolute(), "delta-rs")
    return value


def _store_path(value: Path) -> Path:
    _without(_NOT_IN_A_STORE, value.absolute(), "DuckDB")
    return value


def _without(wrong: re.Pattern[str], path: str | Path, library: str) -> None:
    """Refuse what would fail in the middle of a run, or end up elsewhere."""
    found = wrong.search(str(path))
    if found:
        message = f"{library} can't use the path {str(path)!r}: choose one without {found[0]!r}"
        raise ValueError(message)


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


def _task_resources(value: str) -> str:
    pod_resources.parse(value)
    return value


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


def _duration(value: object) -> object:
    return duration(value) if isinstance(value, str) else value


def _sla(value: timedelta) -> timedelta:
    if not timedelta(minutes=1) <= value <= timedelta(days=30):
        message = "expected 1min to 30d"
        raise ValueError(message)
    return value


Brokers = Annotated[str, AfterValidator(_brokers)]
TopicPrefix = Annotated[str, AfterValidator(_topic_prefix)]
LakePath = Annotated[str, AfterValidator(_lake_path)]
HttpUrl = Annotated[str, AfterValidator(_http_url)]
OptionalHttpUrl = Annotated[str, AfterValidator(_optional_http_url)]
TaskResources = Annotated[str, AfterValidator(_task_resources)]
Origins = Annotated[str, AfterValidator(_origins)]
Secret32 = Annotated[SecretStr, Field(min_length=32)]
"""As long as the hash that is made with it (RFC 7518, 3.2)."""
Numbers = Annotated[str, AfterValidator(_numbers)]
DiskPath = Annotated[Path, BeforeValidator(_on_a_disk)]
StorePath = Annotated[DiskPath, AfterValidator(_store_path)]
Share = Annotated[float, Field(ge=0.0, le=1.0)]
Sla = Annotated[timedelta, BeforeValidator(_duration), AfterValidator(_sla)]
TrainingDay = Literal[
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
    "daily",
    "never",
]
