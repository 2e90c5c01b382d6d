import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from movie_recommender.serving.claims import KEPT, Claims

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)


@pytest.fixture
def claims_of() -> Iterator[Callable[[Path], Claims]]:
    """Claims that are closed at the end."""
    with ExitStack() as stack:
        yield lambda path: stack.enter_context(closing(Claims(path)))


def test_the_first_of_all_workers_claims_a_key(
    tmp_path: Path, claims_of: Callable[[Path], Claims]
) -> None:
    one, other = claims_of(tmp_path / "c"), claims_of(tmp_path / "c")
    assert one.holds("k", b"like", now=NOW)
    assert other.holds("k", b"like", now=NOW)
    assert not other.holds("k", b"hide", now=NOW)
    assert not claims_of(tmp_path / "c").holds("k", b"hide", now=NOW)  # after a restart
    assert other.holds("l", b"hide", now=NOW)


def test_a_claim_ends_after_a_day(tmp_path: Path, claims_of: Callable[[Path], Claims]) -> None:
    claims = claims_of(tmp_path / "c")
    for hour in range(50):
        assert claims.holds(f"k{hour}", b"like", now=NOW + timedelta(hours=hour))
    with closing(sqlite3.connect(tmp_path / "c")) as file:
        assert file.execute("SELECT count(*) FROM claims").fetchone() == (25,)
    assert not claims.holds("k49", b"hide", now=NOW + timedelta(hours=49))
    assert claims.holds("k49", b"hide", now=NOW + timedelta(hours=49) + 2 * KEPT)


def test_a_damaged_file_is_made_anew(
    tmp_path: Path, claims_of: Callable[[Path], Claims], caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "c").write_bytes(b"no database at all" * 100)
    claims = claims_of(tmp_path / "c")
    assert "made anew" in caplog.text
    assert claims.holds("k", b"like", now=NOW)
    assert not claims.holds("k", b"hide", now=NOW)


def test_what_cannot_be_written_is_let_through_and_said(
    tmp_path: Path, claims_of: Callable[[Path], Claims], caplog: pytest.LogCaptureFixture
) -> None:
    claims = claims_of(tmp_path / "c")
    with closing(sqlite3.connect(tmp_path / "c", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        assert claims.holds("k", b"like", now=NOW)
        other.execute("ROLLBACK")
    assert "an idempotency key wasn't kept: database is locked" in caplog.text
    assert claims.holds("k", b"hide", now=NOW)
