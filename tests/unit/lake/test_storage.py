from pathlib import Path

import pyarrow.fs as fs
import pytest

from movie_recommender.lake import storage

REFUSED = """Kernel error -> The operation lacked privileges
          \x1b[31m↳\x1b[0m Error performing GET http://h:1/b/x - status code
           \x1b[31m↳\x1b[0m 403 Forbidden
            \x1b[31m↳\x1b[0m <?xml version="1.0"?>
<Error><Code>SignatureDoesNotMatch</Code><AWSAccessKeyId>KEY</AWSAccessKeyId></Error>"""


def test_a_servers_refusal_is_one_line_without_what_it_repeats() -> None:
    assert storage.reason(OSError(REFUSED)) == (
        "The operation lacked privileges Error performing GET http://h:1/b/x - status code "
        "403 Forbidden SignatureDoesNotMatch"
    )


def test_a_reason_is_never_empty_and_never_a_page() -> None:
    assert storage.reason(OSError()) == "OSError"
    assert len(storage.reason(OSError("long " * 1000))) == 400


def test_a_bucket_is_asked_with_patience_that_ends() -> None:
    assert storage.storage_options("/data/events") is None
    options = storage.storage_options("s3://bucket/events")
    assert options == {
        "connect_timeout": "5s",
        "timeout": "30s",
        "max_retries": "4",
        "retry_timeout": "60s",
    }


def test_each_place_is_read_by_arrows_own_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "users").mkdir()
    (tmp_path / "users" / "a").write_text("x")
    assert storage.arrow_files(str(tmp_path / "users")).get_file_info("a").size == 1
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://localhost:1")
    bucket = storage.arrow_files("s3://bucket/events/users")
    assert isinstance(bucket.base_fs, fs.S3FileSystem)
    assert bucket.base_path == "bucket/events/users/"
    google = storage.arrow_files("gs://bucket/events/users")
    assert isinstance(google.base_fs, fs.GcsFileSystem)
    assert google.base_path == "bucket/events/users/"
