"""The keys of the configuration: a line for each, `ID:SCOPE+SCOPE:KEY`.

shop:read+feedback:sha256$2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae
ops:admin:a-key-in-clear-of-at-least-16-characters
"""

import re
from collections.abc import Iterator

from movie_recommender.errors import ConfigurationError
from movie_recommender.serving.access.callers import Caller, digest, with_scopes
from movie_recommender.serving.access.rules import SCOPES
from movie_recommender.settings import Settings

ADMIN_ID = "SERVING_ADMIN_KEY"

_HASHED = "sha256$"
_ENTRY = re.compile(
    rf"(?P<id>[A-Za-z0-9._@-]{{1,64}}):(?P<scopes>[a-z+]+):"
    rf"(?P<key>{re.escape(_HASHED)}[0-9a-fA-F]{{64}}|(?!{re.escape(_HASHED)})\S{{16,}})"
)
_FORM = (
    "expected ID:SCOPES:KEY, the scopes of read, feedback and admin, joined by '+', the key as "
    "sha256$ and 64 hexadecimal digits, or in clear with at least 16 characters"
)


def read_keys(settings: Settings) -> dict[bytes, Caller]:
    """Callers by the SHA-256 of their keys; without the admin key, which isn't for reading.

    Raises:
        ConfigurationError: an entry is wrong, or the file can't be read. It names the place and
            never the key.
    """
    found: dict[bytes, Caller] = {}
    for place, entry in _entries(settings):
        match = _ENTRY.fullmatch(entry)
        names = match["scopes"].split("+") if match else []
        if match is None or not set(names) <= set(SCOPES):
            message = f"{place}: {_FORM}. Correct it and start again."
            raise ConfigurationError(message)
        hashed = _hash_of(match["key"])
        if hashed in found:
            message = f"{place}: the key of {match['id']!r} is there twice. Take one out."
            raise ConfigurationError(message)
        found[hashed] = Caller(match["id"], with_scopes(names))
    return found


def admin_keys(settings: Settings) -> dict[bytes, Caller]:
    """The caller who has SERVING_ADMIN_KEY, if there is one."""
    key = settings.serving_admin_key
    if key is None:
        return {}
    return {digest(key.get_secret_value().encode()): Caller(ADMIN_ID, with_scopes(["admin"]))}


def _hash_of(key: str) -> bytes:
    if key.startswith(_HASHED):
        return bytes.fromhex(key.removeprefix(_HASHED))
    return digest(key.encode())


def _entries(settings: Settings) -> Iterator[tuple[str, str]]:
    """Each entry and where it is."""
    if settings.serving_api_keys is not None:
        entries = settings.serving_api_keys.get_secret_value().split()
        yield from ((f"SERVING_API_KEYS, entry {n}", e) for n, e in enumerate(entries, 1))
    path = settings.serving_api_keys_file
    if path is None:
        return
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it isn't UTF-8"
        message = f"SERVING_API_KEYS_FILE={path}: can't be read ({why}). Correct the path."
        raise ConfigurationError(message) from error
    named = [(number, entry) for number, line in enumerate(lines, 1) if (entry := line.strip())]
    keys = [(number, entry) for number, entry in named if not entry.startswith("#")]
    if not keys:  # whoever names a file doesn't want everybody let in
        message = f"SERVING_API_KEYS_FILE={path} has no key: {_FORM}. Correct it and start again."
        raise ConfigurationError(message)
    yield from ((f"SERVING_API_KEYS_FILE={path}, line {number}", entry) for number, entry in keys)
