import hashlib
from pathlib import Path
from typing import Any

import pytest

from movie_recommender.errors import ConfigurationError
from movie_recommender.serving.access.keys import read_keys
from movie_recommender.settings import load_settings

LONG = "a-key-that-is-long-enough"
HASHED = "sha256$" + hashlib.sha256(LONG.encode()).hexdigest()


def found(**settings: Any) -> list[tuple[str, list[str]]]:
    keys = read_keys(load_settings(**settings))
    return [(caller.id, sorted(caller.scopes)) for caller in keys.values()]


def test_in_clear_or_hashed_it_is_the_same_key() -> None:
    clear, hashed = (
        read_keys(load_settings(serving_api_keys=f"a:read:{key}")) for key in (LONG, HASHED)
    )
    assert clear == hashed
    assert list(clear) == [hashlib.sha256(LONG.encode()).digest()]


def test_from_the_variable_and_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_text(f"# who may what\n\n  b:feedback:{LONG}2 \n")
    both = found(serving_api_keys=f"a:read:{LONG}:with:colons", serving_api_keys_file=path)
    assert both == [("a", ["read"]), ("b", ["feedback"])]
    assert found() == []


def test_an_administrator_may_do_everything() -> None:
    assert found(serving_api_keys=f"a:admin:{LONG}") == [("a", ["admin", "feedback", "read"])]


@pytest.mark.parametrize(
    "entry",
    [
        LONG,
        f"a:{LONG}",
        "a:read:short",
        f"a:write:{LONG}",
        f"a:read+:{LONG}",
        f"a b:read:{LONG}",
        "a:read:sha256$1234567890abcdef",
        f"a/b:read:{LONG}",
    ],
)
def test_a_wrong_entry_is_named_by_its_place_and_not_shown(entry: str) -> None:
    with pytest.raises(ConfigurationError, match=r"entry \d: expected ID:SCOPES:KEY") as raised:
        read_keys(load_settings(serving_api_keys=f"ok:read:{LONG}1 {entry}"))
    assert LONG not in str(raised.value)
    assert "short" not in str(raised.value)


def test_the_same_key_twice_and_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="key of 'b' is there twice"):
        read_keys(load_settings(serving_api_keys=f"a:read:{LONG} b:feedback:{HASHED}"))
    with pytest.raises(ConfigurationError, match=r"SERVING_API_KEYS_FILE=.*No such file"):
        read_keys(load_settings(serving_api_keys_file=tmp_path / "none"))
    (tmp_path / "empty").write_text("# none yet\n")
    with pytest.raises(ConfigurationError, match="has no key"):
        read_keys(load_settings(serving_api_keys_file=tmp_path / "empty"))
    (tmp_path / "latin").write_bytes(b"\xff")
    with pytest.raises(ConfigurationError, match="isn't UTF-8"):
        read_keys(load_settings(serving_api_keys_file=tmp_path / "latin"))
