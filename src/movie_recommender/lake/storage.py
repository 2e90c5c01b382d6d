"""Where a lake's files are: a directory or a bucket, and how patiently a bucket is asked.

Credentials, region and endpoint of a bucket come from the environment variables that delta-rs reads
by itself (`AWS_…`, `GOOGLE_…`). Arrow's readers, which don't know all of them, are told here.
"""

import os
import re
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pyarrow.fs as fs

CONNECT_S = 5
REQUEST_S = 30
TRIES = 5
PATIENCE_S = 60
"""Of all tries of one request; then the step fails with a name, and is tried again as a whole."""

_NOISE = re.compile(r"\x1b\[[0-9;]*m|↳|^Kernel error -> ")
_XML = re.compile(r"<\?xml.*", re.DOTALL)
_XML_CODE = re.compile(r"<Code>(\w+)</Code>")
_LONGEST_REASON = 400


def is_bucket(path: str) -> bool:
    """Whether `path` is in an object store and not on a disk."""
    return "://" in path


def storage_options(path: str) -> dict[str, str] | None:
    """What delta-rs is to be told beside the environment; None on a disk."""
    if not is_bucket(path):
        return None
    return {
        "connect_timeout": f"{CONNECT_S}s",
        "timeout": f"{REQUEST_S}s",
        "max_retries": str(TRIES - 1),
        "retry_timeout": f"{PATIENCE_S}s",
    }


def arrow_files(uri: str) -> fs.FileSystem:
    """Arrow's own files under `uri`, a directory or a folder of a bucket.

    Not delta-rs' files: they call Python from Arrow's threads. Of 80 processes that ended with a
    reader not read to its end, 65 crashed or hung in such a call, and none this way.
    """
    if not is_bucket(uri):
        return fs.SubTreeFileSystem(str(Path(uri).absolute()), fs.LocalFileSystem())
    place = urlsplit(uri)
    bucket = _google() if place.scheme == "gs" else _s3()
    return fs.SubTreeFileSystem(f"{place.netloc}{place.path}", bucket)


def plain_http_allowed() -> bool:
    """Whether the environment lets a bucket be asked over http://."""
    return _is_set("AWS_ALLOW_HTTP")


def reason(error: Exception) -> str:
    """What a library says went wrong, in one line, without what a server echoes of the request."""
    text = _NOISE.sub("", str(error))
    told = _XML.sub("", text) + " ".join(_XML_CODE.findall(text))
    line = " ".join(told.split()).rstrip(".")
    return line[:_LONGEST_REASON] or type(error).__name__


def _s3() -> fs.S3FileSystem:
    variables = os.environ
    return fs.S3FileSystem(
        region=variables.get("AWS_REGION") or variables.get("AWS_DEFAULT_REGION"),
        endpoint_override=variables.get("AWS_ENDPOINT_URL"),
        force_virtual_addressing=_is_set("AWS_VIRTUAL_HOSTED_STYLE_REQUEST"),
        connect_timeout=CONNECT_S,
        request_timeout=REQUEST_S,
        retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=TRIES),
    )


def _google() -> fs.GcsFileSystem:
    return fs.GcsFileSystem(retry_time_limit=timedelta(seconds=PATIENCE_S))


def _is_set(variable: str) -> bool:
    return os.environ.get(variable, "").lower() in {"true", "1"}
